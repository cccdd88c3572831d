// The openai SDK for Node.
import OpenAI from 'openai'

const STORY = [{ role: 'user', content: 'tell a story' }]
const QUESTION = { role: 'user', content: 'What is the weather in Paris and in Oslo?' }
const PLACE = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
const WEATHER = { type: 'function', function: { name: 'weather', description: 'The weather in a city.', parameters: PLACE } }
const PERSON = {
  name: 'person',
  strict: true,
  schema: {
    type: 'object',
    properties: { name: { type: 'string' }, age: { type: 'integer' } },
    required: ['name', 'age'],
    additionalProperties: false
  }
}
const answered = (call) => ({ Paris: '21 degrees', Oslo: '3 degrees' })[JSON.parse(call.function.arguments).city]
const client = (asked) => new OpenAI({ baseURL: `${asked.url}/v1`, apiKey: 'none' })

async function kind(act) {
  try {
    await act()
  } catch (error) {
    return error.constructor.name
  }
  return 'nothing'
}

async function all(streaming) {
  const chunks = []
  for await (const chunk of streaming) chunks.push(chunk)
  return chunks
}

const abilities = {
  async whole(asked) {
    const said = await client(asked).chat.completions.create({ model: asked.chat, messages: STORY })
    return said.choices[0].message.content
  },
  async stream(asked) {
    const given = { model: asked.chat, messages: STORY, stream: true, stream_options: { include_usage: true } }
    const chunks = await all(await client(asked).chat.completions.create(given))
    if (chunks.at(-1).choices.length || !chunks.at(-1).usage) throw new Error('no usage at the end')
    return chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.delta.content ?? '')).join('')
  },
  async tools(asked) {
    const messages = [QUESTION]
    const given = { model: asked.chat, messages, tools: [WEATHER] }
    const { message } = (await client(asked).chat.completions.create(given)).choices[0]
    messages.push(message)
    for (const call of message.tool_calls) {
      messages.push({ role: 'tool', tool_call_id: call.id, content: answered(call) })
    }
    return (await client(asked).chat.completions.create(given)).choices[0].message.content
  },
  async streamed_tools(asked) {
    const given = { model: asked.chat, messages: [QUESTION], tools: [WEATHER] }
    const said = await client(asked).chat.completions.stream(given).finalChatCompletion()
    return said.choices[0].message.tool_calls.map(answered).join(' ')
  },
  async structured(asked) {
    const said = await client(asked).chat.completions.create({
      model: asked.chat,
      messages: [{ role: 'user', content: 'invent a person' }],
      response_format: { type: 'json_schema', json_schema: PERSON }
    })
    return said.choices[0].message.content
  },
  async completions(asked) {
    return (await client(asked).completions.create({ model: asked.chat, prompt: 'tell a story' })).choices[0].text
  },
  async responses(asked) {
    const said = await client(asked).responses.create({ model: asked.chat, input: 'tell a story' })
    const streamed = await client(asked).responses.stream({ model: asked.chat, input: 'tell a story' }).finalResponse()
    if (streamed.output_text !== said.output_text) throw new Error(`streamed: ${streamed.output_text}`)
    return said.output_text
  },
  async response_tools(asked) {
    const given = { model: asked.chat, tools: [{ type: 'function', ...WEATHER.function, strict: false }] }
    const first = await client(asked).responses.create({ ...given, input: [QUESTION] })
    const input = first.output
      .filter((item) => item.type === 'function_call')
      .map((call) => ({ type: 'function_call_output', call_id: call.call_id, output: answered({ function: call }) }))
    return (await client(asked).responses.create({ ...given, input, previous_response_id: first.id })).output_text
  },
  async parsed_response(asked) {
    const format = { type: 'json_schema', ...PERSON }
    const said = await client(asked).responses.create({ model: asked.chat, input: 'invent a person', text: { format } })
    return said.output_text
  },
  async errors(asked) {
    const say = async (model, text, more) => {
      const given = { model, messages: [{ role: 'user', content: text }], ...more }
      const said = await client(asked).chat.completions.create(given)
      if (more?.stream) await all(said)
    }
    return [
      await kind(() => say('nobody', 'tell a story')),
      await kind(() => say(asked.chat, 'tell a story', { n: 2 })),
      await kind(() => say(asked.chat, 'wrong key')),
      await kind(() => say(asked.chat, 'broken off', { stream: true }))
    ]
  },
  async embeddings(asked) {
    const said = await client(asked).embeddings.create({ model: asked.embedding, input: ['one', 'two'] })
    return said.data.map((row) => row.embedding.slice(0, 3))
  },
  async models(asked) {
    const found = await all(await client(asked).models.list())
    return found.some((model) => model.id === asked.chat)
  }
}

const found = {}
for (const [name, asked] of Object.entries(JSON.parse(process.argv[2]))) {
  found[name] = {}
  for (const [ability, act] of Object.entries(abilities)) {
    if (ability === 'embeddings' && !asked.embedding) {
      found[name][ability] = null
      continue
    }
    found[name][ability] = await act(asked).catch((error) => {
      console.error(error.stack)
      return `${error.constructor.name}: ${error.message}`
    })
  }
}
console.log(JSON.stringify(found))
