#!/usr/bin/env node
// Submits a program to Warren without waiting, then follows it. Needs Node 18, nothing else.
//
//     submit.mjs PROGRAM [CALLBACK_URL]
//
// With CALLBACK_URL, Warren posts the result there as well (webhook_receiver.py takes it). The exit status
// is 0 if the program succeeded, 1 if it did not, 2 if Warren could not run it. WARREN_SERVER names the
// server (default: http://127.0.0.1:5000), WARREN_KEY is an API key.

import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const SERVER = process.env.WARREN_SERVER ?? "http://127.0.0.1:5000";
const LANGUAGES = { ".js": "javascript", ".py": "python" };
const ATTEMPTS = 5;

const authorization = process.env.WARREN_KEY ? { "x-api-key": process.env.WARREN_KEY } : {};

/** Sends one request; an error status is no exception. */
async function ask(path, options = {}) {
  const answer = await fetch(SERVER + path, {
    ...options,
    headers: { ...authorization, ...options.headers },
    signal: AbortSignal.timeout(70_000),
  });
  return { status: answer.status, headers: answer.headers, body: await answer.json() };
}

/** Submits, and retries while Warren asks for that. Returns where the result will be. */
async function submit(submission) {
  const request = {
    method: "POST",
    headers: {
      "content-type": "application/json",
      prefer: "respond-async",
      // With a key, a request that is sent again never runs the program twice.
      "idempotency-key": randomUUID(),
    },
    body: JSON.stringify(submission),
  };
  for (let attempt = 1; ; attempt += 1) {
    const { status, headers, body } = await ask("/api/rooms/examples/execute", request);
    if (status === 202) return body.resultUrl;
    if (![429, 503].includes(status) || attempt === ATTEMPTS) {
      throw new Error(`${status} ${body.error.code}: ${body.error.message}`);
    }
    await sleep(1000 * Number(headers.get("retry-after") ?? 1));
  }
}

/** Waits until the job has ended: each request waits for half a minute at most. */
async function finished(url) {
  for (let attempt = 1; attempt <= 120; attempt += 1) {
    const { status, body } = await ask(`${url}?wait=30`);
    if (status === 200 && body.state === "finished") return body;
    if (status !== 200) {
      if (attempt >= ATTEMPTS) throw new Error(`${status} ${body.error.code}: ${body.error.message}`);
      await sleep(1000);
    }
  }
  throw new Error(`no result at ${url}`);
}

async function main([program, callbackUrl]) {
  if (!program) throw new Error("usage: submit.mjs PROGRAM [CALLBACK_URL]");
  const submission = {
    language: LANGUAGES[extname(program)],
    code: await readFile(program, "utf8"),
    ...(callbackUrl && { callbackUrl }),
  };
  const execution = await finished(await submit(submission));
  if (!execution.result) throw new Error(`the job ended without a result: ${execution.status}`);
  process.stdout.write(execution.result.stdout);
  process.stderr.write(execution.result.stderr);
  console.error(`${execution.jobId}: ${execution.status}`);
  return execution.result.success ? 0 : 1;
}

main(process.argv.slice(2)).then(
  (status) => {
    process.exitCode = status;
  },
  (error) => {
    console.error(`cannot run the program: ${error.message}`);
    process.exitCode = 2;
  },
);
