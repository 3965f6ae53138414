--- Options of `setup()`: their defaults, and what is wrong with what was given.
--- Settings of the language server are not checked here: it names what it does not know.

local M = {}

--- A function that returns nil for a good value and else what was expected.
---@alias midfill.Check fun(value: any): string?

---@class midfill.Keys
---@field accept string|false
---@field accept_word string|false
---@field accept_line string|false
---@field next string|false
---@field prev string|false
---@field dismiss string|false
---@field request string|false
---@field toggle string|false

---@class midfill.Options
---@field enabled boolean
---@field auto boolean
---@field cmd? string[]
---@field root_markers string[]
---@field filetypes table<string, boolean>
---@field max_file_bytes integer
---@field show_with_menu boolean
---@field keys midfill.Keys
---@field token? 'ask'|fun(url: string): string?
---@field settings table<string, any>

---@type midfill.Options
M.defaults = {
  enabled = true,
  auto = true,
  cmd = nil,
  root_markers = { '.git', '.hg', 'pyproject.toml', 'package.json', 'Cargo.toml', 'go.mod' },
  filetypes = { ['*'] = true },
  max_file_bytes = 2 * 1024 * 1024,
  show_with_menu = false,
  keys = {
    accept = '<Tab>',
    accept_word = '<M-Right>',
    accept_line = '<M-Down>',
    next = '<M-]>',
    prev = '<M-[>',
    dismiss = '<C-]>',
    request = '<M-\\>',
    toggle = false,
  },
  token = nil,
  settings = {},
}

---@param wanted string
---@return midfill.Check
local function of_type(wanted)
  return function(value)
    return type(value) ~= wanted and 'a ' .. wanted or nil
  end
end

---@param entry midfill.Check
---@param what string
---@return midfill.Check
local function list_of(entry, what)
  return function(value)
    if type(value) ~= 'table' or not vim.islist(value) then
      return what
    end
    for _, item in ipairs(value) do
      if entry(item) then
        return what
      end
    end
  end
end

---@type midfill.Check
local function key(value)
  if value ~= false and (type(value) ~= 'string' or value == '') then
    return 'a key such as "<Tab>", or false'
  end
end

---@type midfill.Check
local function command(value)
  local is_list = not list_of(of_type('string'), '')(value) and #value > 0
  return not is_list and 'a list of texts such as { "midfill", "lsp" }' or nil
end

---@type midfill.Check
local function filetypes(value)
  if type(value) ~= 'table' then
    return 'a table such as { ["*"] = true, markdown = false }'
  end
  for name, is_on in pairs(value) do
    if type(name) ~= 'string' or type(is_on) ~= 'boolean' then
      return 'a table such as { ["*"] = true, markdown = false }'
    end
  end
end

---@type midfill.Check
local function token(value)
  if value ~= 'ask' and type(value) ~= 'function' then
    return '"ask", or a function of the URL that returns the token'
  end
end

---@type midfill.Check
local function settings(value)
  for name, group in pairs(type(value) == 'table' and value or { value }) do
    if type(name) ~= 'string' or type(group) ~= 'table' then
      return 'a table such as { completion = { debounceMs = 60 } }'
    end
  end
end

---@type midfill.Check
local function size(value)
  return (type(value) ~= 'number' or value < 0) and 'a number of bytes, 0 or more' or nil
end

---@type table<string, midfill.Check>
local checks = {
  enabled = of_type('boolean'),
  auto = of_type('boolean'),
  cmd = command,
  root_markers = list_of(of_type('string'), 'a list of file names'),
  filetypes = filetypes,
  max_file_bytes = size,
  show_with_menu = of_type('boolean'),
  token = token,
  settings = settings,
}

---@param value any
---@return string
local function shown(value)
  local text = vim.inspect(value, { newline = ' ', indent = '' })
  return #text <= 60 and text or text:sub(1, 57) .. '...'
end

---@param known table<string, any>
---@return string
local function names(known)
  local list = vim.tbl_keys(known)
  table.sort(list)
  return table.concat(list, ', ')
end

---@param given table<string, any>
---@param problems string[]
local function check_keys(given, problems)
  for name, value in pairs(given) do
    if M.defaults.keys[name] == nil then
      local known = names(M.defaults.keys)
      problems[#problems + 1] = ('unknown option keys.%s; there are: %s'):format(name, known)
    elseif key(value) then
      local expected = key(value)
      problems[#problems + 1] = ('keys.%s: expected %s, got %s'):format(name, expected, shown(value))
    end
  end
end

--- Name the keys that two options would take.
---@param given table<string, any>
---@param problems string[]
local function check_twice(given, problems)
  local names_of = {} ---@type table<string, string[]>
  for name, lhs in pairs(vim.tbl_extend('force', M.defaults.keys, given)) do
    if type(lhs) == 'string' then
      local key_name = vim.fn.keytrans(vim.api.nvim_replace_termcodes(lhs, true, true, true))
      names_of[key_name] = vim.list_extend(names_of[key_name] or {}, { name })
    end
  end
  for key_name, taken_by in pairs(names_of) do
    if #taken_by > 1 then
      table.sort(taken_by)
      local listed = table.concat(taken_by, ', ')
      local told = 'keys: %s is wanted by all of: %s; set all but one to other keys or false'
      problems[#problems + 1] = told:format(key_name, listed)
    end
  end
end

--- Return what is wrong with options, a line for each.
---@param given any
---@return string[]
function M.problems(given)
  if type(given) ~= 'table' then
    return { ('setup(): expected a table of options, got %s'):format(shown(given)) }
  end
  local problems = {} ---@type string[]
  for name, value in pairs(given) do
    if name == 'keys' then
      if type(value) == 'table' then
        check_keys(value, problems)
        check_twice(value, problems)
      else
        problems[#problems + 1] = ('keys: expected a table, got %s'):format(shown(value))
      end
    elseif not checks[name] then
      local known = names(vim.tbl_extend('force', checks, { keys = true }))
      problems[#problems + 1] = ('unknown option %s; there are: %s'):format(tostring(name), known)
    elseif checks[name](value) then
      local expected = checks[name](value)
      problems[#problems + 1] = ('%s: expected %s, got %s'):format(name, expected, shown(value))
    end
  end
  table.sort(problems)
  return problems
end

--- Return the defaults with options laid over them.
---@param given table<string, any>
---@return midfill.Options
function M.build(given)
  local options = vim.tbl_extend('force', M.defaults, given)
  options.keys = vim.tbl_extend('force', M.defaults.keys, given.keys or {})
  return options
end

--- Return the command that starts the server: what stands in the options, else the default with
--- what the server has to know before its settings come.
---@param options midfill.Options
---@return string[]
function M.command(options)
  if options.cmd then
    return options.cmd
  end
  local command = { 'midfill', 'lsp' }
  local engine, backend = options.settings.engine or {}, options.settings.backend or {}
  for flag, value in pairs({
    ['--backend'] = backend.kind,
    ['--backend-url'] = backend.url,
    ['--engine-url'] = engine.url,
  }) do
    if type(value) == 'string' and value ~= '' then
      vim.list_extend(command, { flag, value })
    end
  end
  if next(engine) then
    table.insert(command, '--no-early-start')
  end
  return command
end

return M
