--- `:MidfillChat`: a conversation in a split. The question is typed behind the prompt at its end;
--- the answer grows above it. The editor keeps the conversation, the server answers.

local blocks = require('midfill.blocks')
local places = require('midfill.places')
local wire = require('midfill.wire')

local M = {}

local api = vim.api
local namespace = api.nvim_create_namespace('midfill.chat')
local NAME, PROMPT = 'midfill://chat', '> '

---@class midfill.Message
---@field role 'user'|'assistant'
---@field content string

---@class midfill.Answer
---@field token string
---@field mark integer where it begins
---@field num_lines integer how many lines of it stand in the buffer
---@field text string what of it has come
---@field cancel fun()

local buf ---@type integer?
local messages = {} ---@type midfill.Message[]
local running ---@type midfill.Answer?
local num_asked = 0

---@return boolean
local function is_open()
  return buf ~= nil and api.nvim_buf_is_loaded(buf)
end

--- Put lines in front of the prompt, and keep the windows at the end there.
---@param first integer
---@param last integer
---@param lines string[]
local function put(first, last, lines)
  local windows = vim.tbl_filter(function(window)
    return api.nvim_win_get_cursor(window)[1] >= api.nvim_buf_line_count(buf)
  end, vim.fn.win_findbuf(buf))
  api.nvim_buf_set_lines(buf, first, last, true, lines)
  vim.bo[buf].modified = false
  for _, window in ipairs(windows) do
    local col = api.nvim_win_get_cursor(window)[2]
    api.nvim_win_set_cursor(window, { api.nvim_buf_line_count(buf), col })
  end
end

---@param answer midfill.Answer
---@param text string
local function show(answer, text)
  answer.text = text
  if not is_open() then
    return
  end
  local lines = vim.split(text, '\r?\n')
  local row = api.nvim_buf_get_extmark_by_id(buf, namespace, answer.mark, {})[1]
  put(row, row + answer.num_lines, lines)
  api.nvim_buf_set_extmark(buf, namespace, row, 0, { id = answer.mark, right_gravity = false })
  answer.num_lines = #lines
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
    show(answer, result.content)
    keep(answer)
    if is_open() then
      local row = api.nvim_buf_get_extmark_by_id(buf, namespace, answer.mark, {})[1]
      blocks.keep(buf, row, result.blocks or {})
    end
    for _, note in ipairs(result.notes or {}) do
      vim.notify('Midfill: ' .. note)
    end
  end
end

--- Send a question and let its answer grow.
---@param question string
function M.ask(question)
  if vim.trim(question) == '' then
    return
  end
  M.stop()
  num_asked = num_asked + 1
  local last = api.nvim_buf_line_count(buf) - 1
  put(last, last, { '', '' })
  local answer = {
    token = 'midfill-chat-' .. num_asked,
    mark = api.nvim_buf_set_extmark(buf, namespace, last, 0, { right_gravity = false }),
    num_lines = 1,
    text = '',
  }
  table.insert(messages, { role = 'user', content = question })
  local context, place_buf = places.context()
  local params = { messages = messages, context = context, partialResultToken = answer.token }
  running = answer
  wire.growing[answer.token] = function(value)
    if running == answer and type(value.content) == 'string' then
      show(answer, value.content)
    end
  end
  answer.cancel = wire.request('midfill/chat', params, function(err, result)
    finish(answer, err, result)
  end, place_buf)
  if not answer.cancel then
    answer.cancel = function() end
    finish(answer, { message = wire.why_not() })
  end
end

--- Wipe a buffer that is not loaded.
---@param unloaded integer
local function wipe(unloaded)
  if api.nvim_buf_is_valid(unloaded) then
    api.nvim_buf_delete(unloaded, { force = true })
  end
end

--- End the conversation, whose buffer is about to be unloaded: text, marks and keys go with that.
---@param event { buf: integer }
local function leave(event)
  M.stop()
  blocks.forget(event.buf)
  places.forget()
  messages, buf = {}, nil
  vim.schedule(function()
    wipe(event.buf)
  end)
end

local function make_buffer()
  wipe(vim.fn.bufnr('^' .. NAME .. '$')) -- one that was unloaded just now
  buf = api.nvim_create_buf(false, true)
  api.nvim_buf_set_name(buf, NAME)
  vim.bo[buf].buftype = 'prompt'
  vim.bo[buf].bufhidden = 'hide'
  vim.fn.prompt_setprompt(buf, PROMPT)
  vim.fn.prompt_setcallback(buf, M.ask)
  vim.fn.prompt_setinterrupt(buf, M.stop)
  vim.bo[buf].filetype = 'markdown'
  local function map(keys, what, action)
    vim.keymap.set('n', keys, action, { buffer = buf, desc = 'Midfill: ' .. what })
  end
  map('<C-c>', 'stop the answer', M.stop)
  map('ga', 'apply the code block', blocks.apply)
  map('gy', 'yank the code block', blocks.yank)
  local desc = 'Midfill: end the conversation'
  api.nvim_create_autocmd('BufUnload', { buffer = buf, desc = desc, callback = leave })
end

--- Begin anew.
function M.reset()
  M.stop()
  places.forget()
  messages = {}
  if is_open() then
    blocks.forget(buf)
    put(0, api.nvim_buf_line_count(buf) - 1, {})
  end
end

--- Show the conversation, in the window where it is or in a split.
---@param mods table as `nvim_cmd` has them
function M.open(mods)
  if not is_open() then
    make_buffer()
  end
  local window = vim.fn.win_findbuf(buf)[1]
  if window then
    api.nvim_set_current_win(window)
  else
    vim.cmd({ cmd = 'sbuffer', args = { tostring(buf) }, mods = mods })
    vim.wo.wrap = true
    vim.wo.linebreak = true
  end
end

--- Run `:MidfillChat`.
---@param command table as `nvim_create_user_command` gives it
function M.run(command)
  local question = command.args
  if command.bang then
    M.reset()
  end
  if command.range > 0 then
    places.add(command.line1, command.line2)
  end
  M.open(command.smods)
  if question ~= '' then
    local last = api.nvim_buf_line_count(buf) - 1
    put(last, last, { PROMPT .. question })
    M.ask(question)
  else
    vim.cmd.startinsert({ bang = true })
  end
end

return M
