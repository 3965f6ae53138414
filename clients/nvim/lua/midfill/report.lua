--- What `:Midfill` prints.

local M = {}

local api = vim.api

--- Print lines.
---@param lines string[]
function M.say(lines)
  api.nvim_echo({ { table.concat(lines, '\n') } }, true, {})
end

--- Tell what is wrong.
---@param text string
function M.complain(text)
  vim.notify('Midfill: ' .. text, vim.log.levels.ERROR)
end

--- Call what Neovim may refuse, such as a split where none fits; tells why it does.
---@param action fun(...: any)
---@param ... any
---@return boolean done
function M.attempt(action, ...)
  local is_done, err = pcall(action, ...)
  if not is_done then
    M.complain(tostring(err):match('E%d+: [^\n]+') or tostring(err))
  end
  return is_done
end

--- Return the name of the model in use; nobody knows it before the backend has answered.
---@param status table
---@return string
function M.model_of(status)
  return type(status.model) == 'string' and status.model or 'not known yet'
end

--- Return a reply's members as lines, nested ones indented, in a fixed order; nulls are left out.
---@param value table
---@param indent? string
---@return string[]
function M.lines_of(value, indent)
  indent = indent or ''
  local lines = {} ---@type string[]
  local names = vim.tbl_keys(value)
  table.sort(names, function(a, b)
    return tostring(a) < tostring(b)
  end)
  for _, name in ipairs(names) do
    local member = value[name]
    if type(member) == 'table' and next(member) ~= nil then
      table.insert(lines, ('%s%s:'):format(indent, name))
      vim.list_extend(lines, M.lines_of(member, indent .. '  '))
    elseif member ~= vim.NIL and type(member) ~= 'table' then
      table.insert(lines, ('%s%s: %s'):format(indent, name, member))
    end
  end
  return lines
end

--- Return what became of a request as lines, the reason first.
---@param explanation? table nil before the first
---@return string[]
function M.lines_of_explanation(explanation)
  if type(explanation) ~= 'table' then
    return { 'Midfill: no request yet' }
  end
  local reason = explanation.reason
  explanation.reason = nil
  local lines = { reason.sentence }
  if type(reason.remedy) == 'string' then
    table.insert(lines, 'What to do: ' .. reason.remedy)
  end
  return vim.list_extend(lines, M.lines_of(explanation))
end

return M
