// "connected", or why the first attempt to connect failed.
window.attempt = (url, transport) => new Promise((done) => {
  const client = new window.Centrifuge([{ transport, endpoint: `${url.replace(/^http/, transport === "websocket" ? "ws" : "http")}/connection/${transport}` }],
                                       { emulationEndpoint: `${url}/emulation` });
  const end = (how) => {
    client.disconnect();
    done(how);
  };
  client.on("connected", () => end("connected"));
  client.on("error", (context) => end(context.error.message));
  client.connect();
});
