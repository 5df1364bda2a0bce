require('dns').lookup('localhost', { family: 4 }, (error, address) => {
    if (error) throw error;
    console.log(address);
});
