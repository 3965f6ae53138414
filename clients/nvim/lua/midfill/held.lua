--- Lines of a file that an edit or a question is meant for, held while the file changes around them.

local columns = require('midfill.columns')

local M = {}

local api = vim.api
local namespace = api.nvim_create_namespace('midfill.edit')

---@class midfill.Held
---@field buf integer the file
---@field mark integer
---@field lines string[] as they were

--- Hold lines.
---@param buf integer
---@param first integer from 0
---@param last integer exclusive
---@param highlight? string
---@return midfill.Held
function M.hold(buf, first, last, highlight)
  local lines = api.nvim_buf_get_lines(buf, first, last, true)
  local mark = api.nvim_buf_set_extmark(buf, namespace, first, 0, {
    end_row = last - 1,
    end_col = #lines[#lines],
    hl_group = highlight,
    hl_eol = highlight ~= nil,
  })
  return { buf = buf, mark = mark, lines = lines }
end

--- Let go of them.
---@param held midfill.Held
function M.release(held)
  if api.nvim_buf_is_valid(held.buf) then
    api.nvim_buf_del_extmark(held.buf, namespace, held.mark)
  end
end

--- Return the rows where they stand now, the second exclusive; nil if they are gone.
---@param held midfill.Held
---@return integer?, integer?
function M.rows(held)
  if not api.nvim_buf_is_loaded(held.buf) then
    return nil
  end
  local place = api.nvim_buf_get_extmark_by_id(held.buf, namespace, held.mark, { details = true })
  local row, col, details = unpack(place)
  if not row then
    return nil
  end
  local is_empty = row == details.end_row and col == details.end_col
  if is_empty and not vim.deep_equal(held.lines, { '' }) then
    return nil -- all of them were deleted
  end
  local num_lines = api.nvim_buf_line_count(held.buf)
  -- What is written over all of them at once leaves the ends of the mark the other way round.
  local first, last = math.min(row, details.end_row), math.max(row, details.end_row)
  if first >= num_lines then
    return nil
  end
  return first, math.min(last + 1, num_lines)
end

--- Return the range where they stand now, nil if they are gone.
---@param held midfill.Held
---@param encoding string
---@return lsp.Range?
function M.range(held, encoding)
  local first, stop = M.rows(held)
  if not first then
    return nil
  end
  local last = api.nvim_buf_get_lines(held.buf, stop - 1, stop, true)[1]
  return {
    start = { line = first, character = 0 },
    ['end'] = { line = stop - 1, character = columns.num_units(last, encoding) },
  }
end

--- Whether they stand as they were.
---@param held midfill.Held
---@return boolean
function M.is_unchanged(held)
  local first, last = M.rows(held)
  return first ~= nil and vim.deep_equal(api.nvim_buf_get_lines(held.buf, first, last, false), held.lines)
end

--- Make edits of them, which are unchanged. The first edit begins where they stood in the text that
--- it was made for: the server's, which lags behind the file by what was typed last.
---@param held midfill.Held
---@param edits lsp.TextEdit[] not empty
---@param encoding string
function M.apply(held, edits, encoding)
  local moved_by = M.rows(held) - edits[1].range.start.line
  local moved = vim.deepcopy(edits)
  for _, edit in ipairs(moved) do
    edit.range.start.line = edit.range.start.line + moved_by
    edit.range['end'].line = edit.range['end'].line + moved_by
  end
  vim.lsp.util.apply_text_edits(moved, held.buf, encoding)
end

return M
