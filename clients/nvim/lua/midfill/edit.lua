--- `:MidfillEdit`: lines are rewritten as an instruction says. The new text grows in a preview
--- beside the file; nothing is changed before the user says yes, and then in one undo step.

local columns = require('midfill.columns')
local server = require('midfill.server')

local M = {}

local api = vim.api
local namespace = api.nvim_create_namespace('midfill.edit')

---@class midfill.Edit
---@field buf integer the file
---@field first integer lines that are rewritten, from 0
---@field last integer exclusive
---@field mark integer holds both
---@field before string[] what stands there
---@field row? integer where the mark was when the edits came
---@field preview integer buffer with the new text
---@field token string
---@field text string as far as it has come
---@field edits? table[] as they came; nil while they are being written
---@field cancel fun()

local current ---@type midfill.Edit?
local num_asked = 0

---@param edit midfill.Edit
local function is_running(edit)
  return current == edit
end

--- Take the preview away and end what is being written.
---@return boolean
function M.discard()
  local edit = current
  if not edit then
    return false
  end
  current = nil
  server.growing[edit.token] = nil
  if not edit.edits then
    edit.cancel()
  end
  if api.nvim_buf_is_valid(edit.buf) then
    api.nvim_buf_clear_namespace(edit.buf, namespace, 0, -1)
  end
  if api.nvim_buf_is_valid(edit.preview) then
    api.nvim_buf_delete(edit.preview, { force = true })
  end
  return true
end

---@param edit midfill.Edit
---@param title string
local function set_title(edit, title)
  for _, window in ipairs(vim.fn.win_findbuf(edit.preview)) do
    vim.wo[window].winbar = ' Midfill: ' .. title:gsub('%%', '%%%%')
  end
end

--- Show the new text as far as it has come.
---@param edit midfill.Edit
---@param text string
local function show(edit, text)
  edit.text = text
  local lines = vim.split(text, '\r?\n')
  if #lines > 1 and lines[#lines] == '' then
    table.remove(lines)
  end
  vim.bo[edit.preview].modifiable = true
  api.nvim_buf_set_lines(edit.preview, 0, -1, false, lines)
  vim.bo[edit.preview].modifiable = false
end

---@param text string
---@param level integer
local function say(text, level)
  vim.notify('Midfill: ' .. text, level)
end

--- Put the new text into the file.
function M.apply()
  local edit = current
  if not edit or not edit.edits then
    say(edit and 'it is still being written' or 'there is no edit to apply', vim.log.levels.WARN)
    return
  end
  local place = api.nvim_buf_get_extmark_by_id(edit.buf, namespace, edit.mark, { details = true })
  local stop = place[1] and place[3].end_row + 1 or 0
  local lines = place[1] and api.nvim_buf_get_lines(edit.buf, place[1], stop, false) or {}
  if not vim.deep_equal(lines, edit.before) then
    say('the lines have changed meanwhile; nothing was applied', vim.log.levels.ERROR)
    M.discard()
    return
  end
  local moved_by = place[1] - edit.row
  for _, change in ipairs(edit.edits) do
    change.range.start.line = change.range.start.line + moved_by
    change.range['end'].line = change.range['end'].line + moved_by
  end
  local buf, edits = edit.buf, edit.edits
  M.discard()
  vim.lsp.util.apply_text_edits(edits, buf, server.encoding())
end

---@param edit midfill.Edit
---@param err? table
---@param result? { edit: table, notes?: string[] }
local function finish(edit, err, result)
  if not is_running(edit) then
    return
  end
  server.growing[edit.token] = nil
  if err then
    say(err.message or 'no answer', vim.log.levels.ERROR)
    M.discard()
    return
  end
  edit.edits = {}
  edit.row = api.nvim_buf_get_extmark_by_id(edit.buf, namespace, edit.mark, {})[1]
  for _, change in ipairs(result and result.edit.documentChanges or {}) do
    vim.list_extend(edit.edits, change.edits or {})
  end
  for _, note in ipairs(result and result.notes or {}) do
    say(note, vim.log.levels.INFO)
  end
  if #edit.edits == 0 then
    say('nothing to change', vim.log.levels.INFO)
    M.discard()
    return
  end
  show(edit, edit.edits[1].newText)
  set_title(edit, '<CR> applies it, q discards it')
  api.nvim_exec_autocmds('User', { pattern = 'MidfillEdit', modeline = false })
end

---@param edit midfill.Edit
---@param mods table
local function open_preview(edit, mods)
  local filetype = vim.bo[edit.buf].filetype
  vim.bo[edit.preview].bufhidden = 'wipe'
  vim.cmd({ cmd = 'sbuffer', args = { tostring(edit.preview) }, mods = mods })
  vim.bo[edit.preview].filetype = filetype
  local function map(keys, what, action)
    vim.keymap.set('n', keys, action, { buffer = edit.preview, desc = 'Midfill: ' .. what })
  end
  map('<CR>', 'apply the edit', M.apply)
  map('q', 'discard the edit', M.discard)
  map('<C-c>', 'discard the edit', M.discard)
  api.nvim_create_autocmd('BufWipeout', {
    buffer = edit.preview,
    desc = 'Midfill: discard the edit',
    callback = vim.schedule_wrap(function()
      if is_running(edit) then
        M.discard()
      end
    end),
  })
  set_title(edit, 'it is being written; q discards it')
end

---@param edit midfill.Edit
---@param instruction string
local function ask(edit, instruction)
  local character = columns.num_units(edit.before[#edit.before], server.encoding())
  local params = {
    textDocument = { uri = vim.uri_from_bufnr(edit.buf) },
    range = {
      start = { line = edit.first, character = 0 },
      ['end'] = { line = edit.last - 1, character = character },
    },
    instruction = instruction,
    partialResultToken = edit.token,
  }
  server.growing[edit.token] = function(value)
    if is_running(edit) and type(value.newText) == 'string' then
      show(edit, value.newText)
    end
  end
  return server.request('midfill/edit', params, function(err, result)
    finish(edit, err, result)
  end, edit.buf)
end

---@param command table
---@param instruction string
local function begin(command, instruction)
  M.discard()
  num_asked = num_asked + 1
  local buf = api.nvim_get_current_buf()
  local first, last = command.line1 - 1, command.line2
  local before = api.nvim_buf_get_lines(buf, first, last, true)
  local edit = {
    buf = buf,
    first = first,
    last = last,
    before = before,
    mark = api.nvim_buf_set_extmark(buf, namespace, first, 0, {
      end_row = last - 1,
      end_col = #before[#before],
      hl_group = 'MidfillEdit',
      hl_eol = true,
    }),
    preview = api.nvim_create_buf(false, true),
    token = 'midfill-edit-' .. num_asked,
    text = '',
  }
  current = edit
  local cancel = ask(edit, instruction)
  edit.cancel = cancel or function() end
  if not cancel then
    finish(edit, { message = server.status.reason or 'the language server is not running' })
    return
  end
  open_preview(edit, command.smods)
end

--- Run `:MidfillEdit`.
---@param command table as `nvim_create_user_command` gives it
function M.run(command)
  if not server.is_attached(api.nvim_get_current_buf()) then
    say('this buffer is none that the language server knows', vim.log.levels.ERROR)
  elseif vim.trim(command.args) ~= '' then
    begin(command, vim.trim(command.args))
  else
    vim.ui.input({ prompt = 'Edit: ' }, function(instruction)
      if instruction and vim.trim(instruction) ~= '' then
        begin(command, vim.trim(instruction))
      end
    end)
  end
end

return M
