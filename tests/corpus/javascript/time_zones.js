const moment = new Date(Date.UTC(2024, 6, 1, 12));
const options = { timeZone: 'Asia/Shanghai', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };
console.log(moment.toLocaleTimeString('en-GB', options) + ' in Shanghai');
