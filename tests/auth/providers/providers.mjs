// Two OpenID providers on loopback, ended with their standard input. `forge` is what the forging one does next.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { OAuth2Server } from "oauth2-mock-server";
import Provider from "oidc-provider";

const forging = new OAuth2Server();
await forging.issuer.keys.generate("RS256");
await forging.start(0, "127.0.0.1");
const port = forging.address().port;
forging.issuer.url = `http://127.0.0.1:${port}`;
let forge = {};

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

forging.service.on("beforeTokenSigning", (token) => {
  Object.assign(token.payload, { preferred_username: "forged" }, forge.claims);
});
forging.service.on("beforeResponse", (response) => {
  const token = response.body.id_token;
  if (forge.alg && token) {
    response.body.id_token = `${encode({ alg: forge.alg, typ: "JWT" })}.${token.split(".")[1]}.${forge.alg === "none" ? "" : "AAAA"}`;
  }
});

const server = createServer((request, response) => answer(request, response));
let answer = (_request, response) => response.writeHead(503).end();
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const issuer = `http://127.0.0.1:${server.address().port}`;

function begin(callback) {
  const provider = new Provider(issuer, {
    clients: [{ client_id: "lianhua", client_secret: "a secret of the tests", redirect_uris: [callback] }],
    claims: { openid: ["sub"], profile: ["preferred_username", "groups"], email: ["email"] },
    conformIdTokenClaims: false,
    findAccount: (_context, id) => ({
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id, groups: id.startsWith("boss") ? ["people", "admins"] : ["people"] }),
    }),
  });
  answer = provider.callback();
}

process.stdout.write(`${JSON.stringify({ forging: forging.issuer.url, real: issuer })}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  const said = JSON.parse(line);
  if (said.callback) begin(said.callback);
  if (said.rotate) {
    for (const key of forging.issuer.keys.toJSON()) forging.issuer.keys.remove?.(key.kid);
    await forging.issuer.keys.generate("RS256", { kid: said.rotate });
  }
  forge = said.forge ?? {};
  process.stdout.write("{}\n");
}
process.exit(0);
