--- New text for lines of a file, shown in a split before anything is changed. One at a time:
--- <CR> puts it into the file, as one undo step, and q discards it.

local held_lines = require('midfill.held')
local report = require('midfill.report')
local wire = require('midfill.wire')

local M = {}

local api = vim.api

---@class midfill.Preview
---@field held midfill.Held the lines that are to be replaced
---@field buf integer holds the new text
---@field edits? lsp.TextEdit[] nil while they are being written
---@field on_discard fun()

local current ---@type midfill.Preview?

---@param text string
---@param level integer
local function say(text, level)
  vim.notify('Midfill: ' .. text, level)
end

---@param preview midfill.Preview
---@param title string
local function set_title(preview, title)
  for _, window in ipairs(vim.fn.win_findbuf(preview.buf)) do
    vim.wo[window].winbar = ' Midfill: ' .. title:gsub('%%', '%%%%')
  end
end

--- Whether a preview is still there.
---@param preview midfill.Preview
---@return boolean
function M.is_open(preview)
  return current == preview
end

--- Take the preview away.
function M.discard()
  local preview = current
  if not preview then
    return
  end
  current = nil
  preview.on_discard()
  held_lines.release(preview.held)
  if api.nvim_buf_is_valid(preview.buf) then
    api.nvim_buf_delete(preview.buf, { force = true })
  end
end

--- Put the new text into the file.
function M.apply()
  local preview = current
  if not preview or not preview.edits then
    say(preview and 'it is still being written' or 'there is no edit to apply', vim.log.levels.WARN)
    return
  end
  if held_lines.is_unchanged(preview.held) then
    if not vim.bo[preview.held.buf].modifiable then
      say("'modifiable' is off in the file; nothing was applied", vim.log.levels.ERROR)
      return
    end
    held_lines.apply(preview.held, preview.edits, wire.encoding())
  else
    say('the lines have changed meanwhile; nothing was applied', vim.log.levels.ERROR)
  end
  M.discard()
end

---@param preview midfill.Preview
local function map_keys(preview)
  local function map(keys, what, action)
    vim.keymap.set('n', keys, action, { buffer = preview.buf, desc = 'Midfill: ' .. what })
  end
  map('<CR>', 'apply the edit', M.apply)
  map('q', 'discard the edit', M.discard)
  map('<C-c>', 'discard the edit', M.discard)
end

--- Open a preview, empty yet, instead of another.
---@param held midfill.Held
---@param mods table as `nvim_cmd` has them
---@param on_discard fun() called when it goes, applied or not
---@return midfill.Preview? preview nil where no split could be had; then the lines are let go
function M.open(held, mods, on_discard)
  M.discard()
  local preview = { held = held, buf = api.nvim_create_buf(false, true), on_discard = on_discard }
  vim.bo[preview.buf].bufhidden = 'wipe'
  local split = { cmd = 'sbuffer', args = { tostring(preview.buf) }, mods = mods }
  if not report.attempt(vim.cmd, split) then
    held_lines.release(held)
    api.nvim_buf_delete(preview.buf, { force = true })
    return nil
  end
  current = preview
  vim.bo[preview.buf].filetype = vim.bo[held.buf].filetype
  vim.bo[preview.buf].modifiable = false
  map_keys(preview)
  api.nvim_create_autocmd('BufWipeout', {
    buffer = preview.buf,
    desc = 'Midfill: discard the edit',
    callback = vim.schedule_wrap(function()
      if M.is_open(preview) then
        M.discard()
      end
    end),
  })
  set_title(preview, 'it is being written; q discards it')
  return preview
end

--- Show the new text as far as it has come.
---@param preview midfill.Preview
---@param text string
function M.show(preview, text)
  local lines = vim.split(text, '\r?\n')
  if #lines > 1 and lines[#lines] == '' then
    table.remove(lines)
  end
  vim.bo[preview.buf].modifiable = true
  api.nvim_buf_set_lines(preview.buf, 0, -1, false, lines)
  vim.bo[preview.buf].modifiable = false
end

--- Show what is to be applied; it is all there.
---@param preview midfill.Preview
---@param edits lsp.TextEdit[] not empty
function M.finish(preview, edits)
  preview.edits = edits
  M.show(preview, edits[1].newText)
  set_title(preview, '<CR> applies it, q discards it')
  api.nvim_exec_autocmds('User', { pattern = 'MidfillEdit', modeline = false })
end

return M
