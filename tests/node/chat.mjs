// Chats with the engine at ENGINE_URL through @huggingface/inference; prints what came.
import { InferenceClient } from "@huggingface/inference";

const url = process.env.ENGINE_URL;
const messages = [{ role: "user", content: "def f():" }];
const asked = { model: "owner/tiny", messages, max_tokens: 6, temperature: 0 };
const told = {};

const places = { general: { endpointUrl: url }, model: { endpointUrl: `${url}/models/owner/tiny` } };
for (const [name, options] of Object.entries(places)) {
  const client = new InferenceClient(process.env.ENGINE_KEY, options);
  const whole = await client.chatCompletion(asked);
  told[name] = { text: whole.choices[0].message.content, tokens: whole.usage.completion_tokens };
  let [text, reason] = ["", null];
  for await (const chunk of client.chatCompletionStream(asked)) {
    text += chunk.choices[0]?.delta.content ?? "";
    reason = chunk.choices[0]?.finish_reason ?? reason;
  }
  told[name].streamed = text;
  told[name].reason = reason;
}
const client = new InferenceClient(process.env.ENGINE_KEY, places.general);
try {
  await client.chatCompletion({ ...asked, max_tokens: 0 });
} catch (error) {
  told.refused = { status: error.httpResponse?.status, text: String(error) };
}
const schema = { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] };
const response_format = {
  type: "json_schema",
  json_schema: { name: "ok", schema: { ...schema, additionalProperties: false } },
};
const formed = await client.chatCompletion({ ...asked, max_tokens: 100, response_format });
told.formed = JSON.parse(formed.choices[0].message.content);
console.log(JSON.stringify(told));
