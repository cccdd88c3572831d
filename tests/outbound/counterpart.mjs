// Node's own HTTP server, for the HTTP client to meet: it answers by the path of what it is asked.
import { createServer } from "node:http";
import { gzipSync } from "node:zlib";

const server = createServer((request, response) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    const body = Buffer.concat(pieces);
    if (request.url === "/chunked") {
      response.setHeader("Trailer", "X-After");
      for (let begin = 0; begin < body.length; begin += 1000) response.write(body.subarray(begin, begin + 1000));
      response.addTrailers({ "X-After": "x" });
      response.end();
    } else if (request.url === "/hints") {
      response.writeEarlyHints({ link: "</x>; rel=preload" });
      response.writeContinue();
      response.end(body);
    } else if (request.url === "/gzip") {
      response.setHeader("Content-Encoding", "gzip");
      response.end(gzipSync(body));
    } else if (request.url === "/last") {
      response.setHeader("Connection", "close");
      response.end(body);
    } else if (request.url === "/dies") {
      response.writeHead(200, { "Content-Length": body.length + 1 });
      response.write(body, () => request.socket.destroy());
    } else {
      response.end(body);
    }
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
