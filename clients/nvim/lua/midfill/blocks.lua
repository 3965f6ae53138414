--- Code blocks of the conversation: yanked, or put where they belong by way of a preview.

local held_lines = require('midfill.held')
local preview = require('midfill.preview')
local server = require('midfill.server')

local M = {}

local api = vim.api
local namespace = api.nvim_create_namespace('midfill.blocks')

---@class midfill.Block
---@field text string
---@field held? midfill.Held the lines that it takes the place of
---@field edit? lsp.TextEdit
---@field is_meant boolean it said which lines

local blocks = {} ---@type table<integer, midfill.Block> by extmark in the conversation

---@param uri string
---@param version integer
---@return integer?
local function find_buffer(uri, version)
  for _, buf in ipairs(api.nvim_list_bufs()) do
    if server.is_attached(buf) and vim.uri_from_bufnr(buf) == uri then
      return vim.lsp.util.buf_versions[buf] == version and buf or nil
    end
  end
end

--- Hold the lines that a block takes the place of, nil if they are other lines already.
---@param told table a block as the reply has it
---@return midfill.Held?
local function hold(told)
  local buf = find_buffer(told.uri, told.version)
  if not buf then
    return nil
  end
  local first, stop = told.range.start.line, told.range['end']
  local last = (stop.character > 0 or stop.line == first) and stop.line + 1 or stop.line
  return held_lines.hold(buf, first, math.min(last, api.nvim_buf_line_count(buf)))
end

--- Take the blocks of an answer.
---@param buf integer the conversation
---@param row integer where the answer begins
---@param answered table[] as the reply has them
function M.keep(buf, row, answered)
  for _, told in ipairs(answered) do
    local options = { end_row = row + told.endLine, end_col = 0, strict = false }
    local fence_row = row + told.startLine - 1
    local mark = api.nvim_buf_set_extmark(buf, namespace, fence_row, 0, options)
    local is_meant = told.newText ~= nil and told.newText ~= vim.NIL
    local held = is_meant and hold(told) or nil
    local edit = held and { range = told.range, newText = told.newText }
    blocks[mark] = { text = told.text, held = held, edit = edit, is_meant = is_meant }
  end
end

--- Forget all of them.
---@param buf integer the conversation
function M.forget(buf)
  for _, block in pairs(blocks) do
    if block.held then
      held_lines.release(block.held)
    end
  end
  blocks = {}
  if api.nvim_buf_is_valid(buf) then
    api.nvim_buf_clear_namespace(buf, namespace, 0, -1)
  end
end

--- Return the block under the cursor, else the last one above it, else the last.
---@return midfill.Block?
local function find()
  local row = api.nvim_win_get_cursor(0)[1] - 1
  local marks = api.nvim_buf_get_extmarks(0, namespace, { row, 0 }, 0, { limit = 1 })
  if #marks == 0 then
    marks = api.nvim_buf_get_extmarks(0, namespace, -1, 0, { limit = 1 })
  end
  return marks[1] and blocks[marks[1][1]]
end

---@param text string
local function warn(text)
  vim.notify('Midfill: ' .. text, vim.log.levels.WARN)
end

--- Show what the block at the cursor would change.
function M.apply()
  local block = find()
  if not block then
    warn('there is no code block')
  elseif not block.is_meant then
    warn('this block takes the place of no lines: /fix and /doc with a range give such; gy yanks it')
  elseif not block.held or not held_lines.is_unchanged(block.held) then
    warn('its lines have changed meanwhile; gy yanks it')
  else
    local rows = { held_lines.rows(block.held) }
    local shown = held_lines.hold(block.held.buf, rows[1], rows[2], 'MidfillEdit')
    local opened = preview.open(shown, {}, function() end)
    if opened then
      preview.finish(opened, { block.edit })
    end
  end
end

--- Yank the block at the cursor.
function M.yank()
  local block = find()
  if block then
    vim.fn.setreg(vim.v.register, block.text, 'l')
    vim.notify(('Midfill: %d lines yanked'):format(select(2, block.text:gsub('\n', ''))))
  else
    warn('there is no code block')
  end
end

return M
