--- What a reply offers at the cursor.

local suggestion = require('midfill.suggestion')

local M = {}

--- Return those items of a reply that have something to come at the cursor.
---@param anchor midfill.Anchor
---@param items table[]
---@param encoding string
---@return midfill.Candidate[]
function M.read(anchor, items, encoding)
  local candidates = {} ---@type midfill.Candidate[]
  for _, item in ipairs(items) do
    local candidate = suggestion.candidate(anchor, item, encoding)
    local left = candidate and suggestion.remaining(anchor, candidate)
    if left and left ~= '' then
      table.insert(candidates, candidate)
    end
  end
  return candidates
end

--- Return which candidate comes `step` after the one that shows `text`, the first if none does.
---@param anchor midfill.Anchor
---@param candidates midfill.Candidate[]
---@param text string
---@param step integer
---@return integer
function M.index_after(anchor, candidates, text, step)
  for idx, candidate in ipairs(candidates) do
    if suggestion.remaining(anchor, candidate) == text then
      return (idx - 1 + step) % #candidates + 1
    end
  end
  return 1
end

return M
