// An OpenID Connect provider on localhost: node provider.mjs PORT CERTIFICATE KEY
//
// It has a client for each algorithm, and the library's own forms to log in with any name.

import { generateKeyPairSync, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";

import { Provider } from "oidc-provider";

const [port, certificate, key] = process.argv.slice(2);
const issuer = `https://localhost:${port}`;

function signingKey(kind, options, alg) {
  const { privateKey } = generateKeyPairSync(kind, options);
  return { ...privateKey.export({ format: "jwk" }), use: "sig", alg, kid: randomUUID() };
}

const keys = [
  signingKey("rsa", { modulusLength: 2048 }, "RS256"),
  signingKey("rsa", { modulusLength: 2048 }, "PS256"),
  signingKey("ec", { namedCurve: "P-256" }, "ES256"),
  signingKey("ed25519", {}, "EdDSA"),
];

const clients = keys.map(({ alg }) => ({
  client_id: `app-${alg}`,
  client_secret: "secret",
  redirect_uris: ["https://app.example.com/callback"],
  response_types: ["code"],
  grant_types: ["authorization_code"],
  id_token_signed_response_alg: alg,
}));

const provider = new Provider(issuer, {
  clients,
  jwks: { keys },
  cookies: { keys: ["cookies of the tests"] },
  enabledJWA: { idTokenSigningAlgValues: keys.map(({ alg }) => alg) },
});

const tls = { cert: readFileSync(certificate), key: readFileSync(key) };
createServer(tls, provider.callback()).listen(Number(port), "127.0.0.1", () => console.log("ready"));
