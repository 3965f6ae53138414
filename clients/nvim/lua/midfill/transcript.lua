--- The buffer of a conversation: what was said, and below it the prompt, where a question is typed.
--- Knows nothing of who answers; `chat` does.

local report = require('midfill.report')

local M = {}

local api = vim.api
local namespace = api.nvim_create_namespace('midfill.chat')
local NAME, PROMPT = 'midfill://chat', '> '
local is_old = vim.fn.has('nvim-0.12') == 0 -- a question is one line there

local buf ---@type integer?
local prompt ---@type integer? the mark where the question begins that is being typed

---@class midfill.TranscriptHooks
---@field on_question fun(question: string)
---@field on_interrupt fun()
---@field on_end fun(buf: integer) the buffer is about to be unloaded

--- Return the buffer, nil if there is none.
---@return integer?
function M.buf()
  return buf and api.nvim_buf_is_loaded(buf) and buf or nil
end

--- Return the row where the question begins that is being typed.
---@return integer
local function prompt_row()
  local row = api.nvim_buf_get_extmark_by_id(buf, namespace, prompt, {})[1]
  return math.min(row, api.nvim_buf_line_count(buf) - 1)
end

--- Let the question begin in a row.
---@param row integer
local function set_prompt(row)
  prompt = api.nvim_buf_set_extmark(buf, namespace, row, 0, { id = prompt, right_gravity = false })
end

--- Change lines in front of the prompt, for good: what undo made of them nobody could go on with.
--- Cursors behind them stay at their text.
---@param first integer
---@param last integer
---@param lines string[]
local function put(first, last, lines)
  local num_more, begin = #lines - (last - first), prompt_row()
  local cursors = {} ---@type table<integer, [integer, integer]>
  for _, window in ipairs(vim.fn.win_findbuf(buf)) do
    local row, col = unpack(api.nvim_win_get_cursor(window))
    if row > last then
      cursors[window] = { row + num_more, col }
    end
  end
  local levels = vim.bo[buf].undolevels
  vim.bo[buf].undolevels = -1
  local is_done, err = pcall(api.nvim_buf_set_lines, buf, first, last, true, lines)
  vim.bo[buf].undolevels = levels
  assert(is_done, err)
  vim.bo[buf].modified = false
  set_prompt(begin + num_more)
  for window, cursor in pairs(cursors) do
    api.nvim_win_set_cursor(window, cursor)
  end
end

---@param row integer
---@param num_lines integer
---@param mark? integer
---@return integer mark
local function mark_lines(row, num_lines, mark)
  local options = { id = mark, end_row = row + num_lines, end_col = 0, right_gravity = false }
  return api.nvim_buf_set_extmark(buf, namespace, row, 0, options)
end

--- Return the rows of what was said, the second exclusive; both are in front of the prompt.
---@param mark integer
---@return integer, integer
local function rows_of(mark)
  local place = api.nvim_buf_get_extmark_by_id(buf, namespace, mark, { details = true })
  local last = prompt_row()
  return math.min(place[1], last), math.min(place[3].end_row, last)
end

--- Say a question.
---@param question string
function M.add_question(question)
  local row = prompt_row()
  put(row, row, vim.split(PROMPT .. question, '\r?\n'))
end

--- Begin an answer, empty yet; returns the mark that stays with it, whatever the user does to it.
---@return integer
function M.begin_answer()
  local row = prompt_row()
  put(row, row, { '', '' })
  return mark_lines(row, 1)
end

--- Let an answer be a text; returns the row where it begins.
---@param mark integer
---@param text string
---@return integer
function M.set_answer(mark, text)
  local lines = vim.split(text, '\r?\n')
  local first, last = rows_of(mark)
  put(first, last, lines)
  mark_lines(first, #lines, mark)
  return first
end

--- Take away what was said.
function M.clear()
  put(0, prompt_row(), {})
end

--- Return what was typed at the prompt, above which a new one stands by now.
---@param typed string all of it since 0.12; before, what stood in the last line
---@return string
local function question_of(typed)
  if is_old then
    local lines = api.nvim_buf_get_lines(buf, prompt_row(), -2, true)
    for idx, line in ipairs(lines) do
      local is_end = idx == 1 or idx == #lines -- behind lines that were pasted came a prompt, too
      lines[idx] = is_end and vim.startswith(line, PROMPT) and line:sub(#PROMPT + 1) or line
    end
    typed = #lines > 0 and table.concat(lines, '\n') or typed
  end
  set_prompt(api.nvim_buf_line_count(buf) - 1)
  return vim.trim(typed)
end

--- Wipe a buffer that is not loaded.
---@param unloaded integer
local function wipe(unloaded)
  if api.nvim_buf_is_valid(unloaded) then
    api.nvim_buf_delete(unloaded, { force = true })
  end
end

--- Make the buffer.
---@param hooks midfill.TranscriptHooks
---@return integer
function M.make(hooks)
  wipe(vim.fn.bufnr('^' .. NAME .. '$')) -- one that was unloaded just now
  buf, prompt = api.nvim_create_buf(false, true), nil
  api.nvim_buf_set_name(buf, NAME)
  vim.bo[buf].buftype = 'prompt'
  vim.bo[buf].bufhidden = 'hide'
  vim.fn.prompt_setprompt(buf, PROMPT)
  vim.fn.prompt_setcallback(buf, function(typed)
    hooks.on_question(question_of(typed))
  end)
  vim.fn.prompt_setinterrupt(buf, hooks.on_interrupt)
  vim.bo[buf].filetype = 'markdown'
  set_prompt(0)
  api.nvim_create_autocmd('InsertEnter', {
    buffer = buf,
    desc = 'Midfill: let the question begin where Neovim puts the prompt, after `dd`',
    callback = function()
      set_prompt(prompt_row())
    end,
  })
  api.nvim_create_autocmd('BufUnload', {
    buffer = buf,
    desc = 'Midfill: end the conversation',
    callback = function(event) -- text, marks and keys go with the buffer
      hooks.on_end(event.buf)
      buf = nil
      vim.schedule(function()
        wipe(event.buf)
      end)
    end,
  })
  return buf
end

--- Show the buffer, in the window where it is or in a split; returns whether one could be had.
---@param mods table as `nvim_cmd` has them
---@return boolean
function M.show(mods)
  local window = vim.fn.win_findbuf(buf)[1]
  if window then
    return report.attempt(api.nvim_set_current_win, window)
  end
  if not report.attempt(vim.cmd, { cmd = 'sbuffer', args = { tostring(buf) }, mods = mods }) then
    return false
  end
  vim.wo.wrap = true
  vim.wo.linebreak = true
  return true
end

return M
