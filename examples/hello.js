console.log("hello from a sandbox");
