// Node 18 or newer, without packages: speaks RESP, the protocol of Redis, over an unencrypted socket.
// Use: node node.mjs redis://user:password@host:6379/0 emr:payments '{"type":"payment.saved","company_id":"acme",...}'
// A company that signs its events sets the key and its secret in the environment: SIGNING_KEY=2026-10:5f0c...
import { createHash, createHmac } from "node:crypto";
import { connect } from "node:net";

const [url, stream, save] = [new URL(process.argv[2]), process.argv[3], JSON.parse(process.argv[4])];
const key = [save.type, save.company_id, save.clinic_id, save.payment_id, save.line_id, save.version].join("\n");
const hash = createHash("sha256").update(key).digest("hex");
const event_id = hash.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, "$1-$2-$3-$4-$5");
const fields = ["event", JSON.stringify({ ...save, schema: 1, event_id })];
const [name, secret] = (process.env.SIGNING_KEY ?? "").split(":");
if (secret) fields.push("signature", `${name}:${createHmac("sha256", Buffer.from(secret, "hex")).update(fields[1]).digest("hex")}`);
const commands = [["SELECT", url.pathname.slice(1) || "0"], ["XADD", stream, "*", ...fields]];
if (url.password) commands.unshift(["AUTH", decodeURIComponent(url.username) || "default", decodeURIComponent(url.password)]);
const resp = (words) => `*${words.length}\r\n` + words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("");
const socket = connect(Number(url.port || 6379), url.hostname, () => socket.write(commands.map(resp).join("")));
let reply = "";
socket.setTimeout(15_000, () => socket.destroy(new Error("no answer")));
socket.on("error", (error) => { console.error(error.message); process.exitCode = 1; });
socket.on("data", (chunk) => {
  const error = /^-.*$/m.exec((reply += chunk));
  if (error) socket.destroy(new Error(error[0]));
  else if (/\$\d+\r\n\d+-\d+\r\n$/.test(reply)) console.log(reply.trim().split("\r\n").at(-1)), socket.end();
});
