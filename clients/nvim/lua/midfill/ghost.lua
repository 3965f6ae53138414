--- Draws a suggestion as virtual text. Knows nothing of where it comes from.

local suggestion = require('midfill.suggestion')

local M = {}

local api = vim.api
M.namespace = api.nvim_create_namespace('midfill')

local drawn_in ---@type integer? the only buffer that may hold ghost text

--- Take away what is drawn.
function M.clear()
  if drawn_in and api.nvim_buf_is_valid(drawn_in) then
    api.nvim_buf_clear_namespace(drawn_in, M.namespace, 0, -1)
  end
  drawn_in = nil
end

--- Return text as it looks from a screen column on: virtual text knows no tab stops.
---@param text string
---@param column integer
---@return string
local function with_spaces(text, column)
  if not text:find('\t', 1, true) then
    return text
  end
  local parts = {} ---@type string[]
  for part, tab in text:gmatch('([^\t]*)(\t?)') do
    column = column + vim.fn.strdisplaywidth(part, column)
    parts[#parts + 1] = part
    if tab ~= '' then
      local width = vim.fn.strdisplaywidth('\t', column)
      parts[#parts + 1] = (' '):rep(width)
      column = column + width
    end
  end
  return table.concat(parts)
end

---@param buf integer
---@param row integer
---@param col integer
---@param options table
local function mark(buf, row, col, options)
  local fixed = { hl_mode = 'combine', priority = 1000 }
  api.nvim_buf_set_extmark(buf, M.namespace, row, col, vim.tbl_extend('error', options, fixed))
end

--- Draw the first line among the text behind the cursor that it takes the place of.
---@param buf integer
---@param row integer
---@param col integer
---@param first string
---@param over string
local function draw_first(buf, row, col, first, over)
  local line = api.nvim_buf_get_lines(buf, row, row + 1, true)[1]
  local column = vim.fn.strdisplaywidth(line:sub(1, col))
  local places = suggestion.align(first, over)
  if not places then
    local text = with_spaces(first, column)
    local gap = vim.fn.strdisplaywidth(over, column) - vim.fn.strdisplaywidth(text, column)
    local chunks = { { text, 'MidfillGhost' }, { (' '):rep(math.max(gap, 0)), 'MidfillGhost' } }
    mark(buf, row, col, { virt_text = chunks, virt_text_pos = 'overlay' })
    return
  end
  local from = 1
  for idx = 1, #over + 1 do
    local piece = first:sub(from, (places[idx] or #first + 1) - 1)
    if piece ~= '' then
      local chunks = { { with_spaces(piece, column), 'MidfillGhost' } }
      mark(buf, row, col + idx - 1, { virt_text = chunks, virt_text_pos = 'inline' })
    end
    from = (places[idx] or 0) + 1
  end
end

--- Draw text at a place, instead of what is drawn.
---@param buf integer
---@param row integer
---@param col integer
---@param text string
---@param over string the text behind the cursor that it takes the place of
---@param label? string put behind the last line
function M.draw(buf, row, col, text, over, label)
  M.clear()
  drawn_in = buf
  local lines = vim.split(text, '\n', { plain = true })
  draw_first(buf, row, col, lines[1], over)
  local below = {} ---@type [string, string][][]
  for idx = 2, #lines do
    below[idx - 1] = { { with_spaces(lines[idx], 0), 'MidfillGhost' } }
  end
  if label and #below > 0 then
    table.insert(below[#below], { label, 'MidfillCount' })
  end
  if #below > 0 then
    mark(buf, row, col, { virt_lines = below })
  elseif label then
    mark(buf, row, col, { virt_text = { { label, 'MidfillCount' } }, virt_text_pos = 'eol' })
  end
end

return M
