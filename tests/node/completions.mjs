// Drives openai and @huggingface/inference against the engine at ENGINE_URL; prints what came.
import { InferenceClient } from "@huggingface/inference";
import OpenAI, { NotFoundError } from "openai";

const url = process.env.ENGINE_URL;
const key = process.env.ENGINE_KEY;
const body = { model: "tiny", prompt: "x =", max_tokens: 5, temperature: 0 };
const told = {};

const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
told.models = (await openai.models.list()).data.map((model) => model.id);
told.model = (await openai.models.retrieve("tiny")).id;
const whole = await openai.completions.create(body);
told.text = whole.choices[0].text;
told.completionTokens = whole.usage.completion_tokens;
told.streamed = "";
const stream = await openai.completions.create({
  ...body,
  stream: true,
  stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  told.streamed += chunk.choices[0]?.text ?? "";
  told.streamedTokens = chunk.usage?.completion_tokens;
}
const several = await openai.completions.create({ ...body, n: 2, temperature: 1, logprobs: 1 });
told.choices = several.choices.map((choice) => choice.index);
told.infilled = (await openai.completions.create({ ...body, suffix: "\n" })).usage.prompt_tokens;
try {
  await openai.completions.create({ ...body, model: "none" });
} catch (error) {
  told.refused = error instanceof NotFoundError ? error.code : String(error);
}

const endpoint = new InferenceClient(key).endpoint(`${url}/models/tiny`);
const parameters = { max_new_tokens: 5, temperature: 0 };
told.generated = (await endpoint.textGeneration({ inputs: "x =", parameters })).generated_text;
told.tokens = "";
for await (const event of endpoint.textGenerationStream({ inputs: "x =", parameters })) {
  told.tokens += event.choices[0].text;
}
console.log(JSON.stringify(told));
