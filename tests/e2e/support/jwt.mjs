import { createHmac } from "node:crypto";

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

export function sign(claims, secret) {
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

export function token_of(user, secret, lifetime_s = 3600) {
  return sign({ sub: user, exp: Math.floor(Date.now() / 1000) + lifetime_s }, secret);
}
