--- `:MidfillChat`: a conversation in a split. The question is typed behind the prompt at its end;
--- the answer grows above it. The editor keeps the conversation, the server answers.

local blocks = require('midfill.blocks')
local places = require('midfill.places')
local report = require('midfill.report')
local server = require('midfill.server')
local transcript = require('midfill.transcript')
local wire = require('midfill.wire')

local M = {}

local api = vim.api

---@class midfill.Message
---@field role 'user'|'assistant'
---@field content string

---@class midfill.Answer
---@field token string
---@field mark integer where it stands in the transcript
---@field text string what of it has come
---@field cancel fun()

local messages = {} ---@type midfill.Message[]
local running ---@type midfill.Answer?
local num_asked = 0

---@param answer midfill.Answer
---@param text string
---@return integer? row where it begins, nil where it is not shown any more
local function show(answer, text)
  return transcript.buf() and transcript.set_answer(answer.mark, text)
end

--- Let an answer be part of the conversation; a question without one is none.
---@param answer midfill.Answer
local function keep(answer)
  if answer.text == '' then
    table.remove(messages)
  else
    table.insert(messages, { role = 'assistant', content = answer.text })
  end
end

--- End the answer that is being written; what was said of it stays in the conversation.
---@return boolean running whether there was one
function M.stop()
  if not running then
    return false
  end
  running.cancel()
  keep(running)
  wire.growing[running.token] = nil
  running = nil
  return true
end

---@param answer midfill.Answer
---@param err? table
---@param result? { content: string, blocks?: table[], notes?: string[] }
local function finish(answer, err, result)
  if running ~= answer then
    return
  end
  wire.growing[answer.token] = nil
  running = nil
  if err then
    table.remove(messages)
    show(answer, '*' .. (err.message or 'no answer') .. '*')
  elseif result then
    answer.text = result.content
    keep(answer)
    local row = show(answer, answer.text)
    if row then
      blocks.keep(transcript.buf(), row, result.blocks or {})
    end
    for _, note in ipairs(result.notes or {}) do
      vim.notify('Midfill: ' .. note)
    end
  end
end

---@param answer midfill.Answer
local function send(answer)
  local context, place_buf = places.context()
  local params = { messages = messages, context = context, partialResultToken = answer.token }
  local cancel = wire.request('midfill/chat', params, function(err, result)
    finish(answer, err, result)
  end, place_buf)
  if cancel then
    answer.cancel = cancel
  else
    finish(answer, { message = wire.why_not() })
  end
end

--- Send a question, once the server has started, and let its answer grow.
---@param question string
function M.ask(question)
  if vim.trim(question) == '' then
    return
  end
  M.stop()
  num_asked = num_asked + 1
  local answer = {
    token = 'midfill-chat-' .. num_asked,
    mark = transcript.begin_answer(),
    text = '',
    cancel = function() end,
  }
  table.insert(messages, { role = 'user', content = question })
  running = answer
  wire.growing[answer.token] = function(value)
    if running == answer and type(value.content) == 'string' then
      answer.text = value.content
      show(answer, answer.text)
    end
  end
  wire.once_ready(function()
    if running == answer then
      send(answer)
    end
  end)
end

--- End the conversation.
---@param buf integer its buffer
local function leave(buf)
  M.stop()
  blocks.forget(buf)
  places.forget()
  messages = {}
end

local function make_buffer()
  local buf = transcript.make({ on_question = M.ask, on_interrupt = M.stop, on_end = leave })
  local function map(keys, what, action)
    vim.keymap.set('n', keys, action, { buffer = buf, desc = 'Midfill: ' .. what })
  end
  map('<C-c>', 'stop the answer', M.stop)
  map('ga', 'apply the code block', blocks.apply)
  map('gy', 'yank the code block', blocks.yank)
end

--- Begin anew.
function M.reset()
  local buf = transcript.buf()
  if buf then
    leave(buf)
    transcript.clear()
  end
end

--- Show the conversation, in the window where it is or in a split; returns whether there is one.
---@param mods table as `nvim_cmd` has them
---@return boolean
function M.open(mods)
  if not transcript.buf() then
    make_buffer()
  end
  return transcript.show(mods)
end

--- Run `:MidfillChat`.
---@param command table as `nvim_create_user_command` gives it
function M.run(command)
  local question, file = command.args, api.nvim_get_current_buf()
  local problem = command.range > 0 and server.why_unknown(file)
  if problem then
    report.complain(problem)
    return
  end
  if not M.open(command.smods) then
    return
  end
  if command.bang then
    M.reset()
  end
  if command.range > 0 then
    places.add(file, command.line1, command.line2)
  end
  if question ~= '' then
    transcript.add_question(question)
    M.ask(question)
  else
    vim.cmd.startinsert({ bang = true })
  end
end

return M
