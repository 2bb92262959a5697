// Calls tools with the official TypeScript client, and tells what came of it.
// Arguments: the folder with node_modules. Standard input: a list of
// {url, mode, calls: [{tool, arguments}]}; standard output: for each of them
// {revision, listed: [name], results: [{isError, text, structuredContent} or {thrown}]}.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const modules = `${process.argv[2]}/node_modules/@modelcontextprotocol/client/dist/index.mjs`;
const { Client, StreamableHTTPClientTransport } = await import(pathToFileURL(modules));

async function called(client, { tool, arguments: given }) {
  try {
    const { isError, content, structuredContent } = await client.callTool({
      name: tool,
      arguments: given,
    });
    const text = content.map((block) => block.text ?? `(${block.type})`).join("\n");
    return { isError: isError ?? false, text, structuredContent };
  } catch (error) {
    return { thrown: String(error) };
  }
}

async function served({ url, mode, calls }) {
  let changes = 0;
  const client = new Client(
    { name: "typescript", version: "1.0.0" },
    {
      versionNegotiation: { mode: mode === "pinned" ? { pin: "2026-07-28" } : mode },
      // As applications do: in the newest revision it opens a stream for changes.
      listChanged: { tools: { onChanged: () => { changes += 1; } } },
    },
  );
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  const listed = (await client.listTools()).tools.map(({ name }) => name);
  const results = [];
  for (const call of calls) results.push(await called(client, call));
  const revision = client.getNegotiatedProtocolVersion();
  await client.close();
  return { revision, listed, results, changes };
}

const answers = [];
for (const job of JSON.parse(readFileSync(0, "utf-8"))) answers.push(await served(job));
process.stdout.write(JSON.stringify(answers));
