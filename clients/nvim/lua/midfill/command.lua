--- `:Midfill`: its subcommands, their completion, and what they print.

local server = require('midfill.server')
local wire = require('midfill.wire')

local M = {}

local api = vim.api

---@param lines string[]
local function say(lines)
  api.nvim_echo({ { table.concat(lines, '\n') } }, true, {})
end

---@param text string
local function complain(text)
  vim.notify('Midfill: ' .. text, vim.log.levels.ERROR)
end

--- Return a reply's members as lines, nested ones indented, in a fixed order; nulls are left out.
---@param value table
---@param indent? string
---@return string[]
local function lines_of(value, indent)
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
      vim.list_extend(lines, lines_of(member, indent .. '  '))
    elseif member ~= vim.NIL and type(member) ~= 'table' then
      table.insert(lines, ('%s%s: %s'):format(indent, name, member))
    end
  end
  return lines
end

--- Run a command of the server and print what it answers.
---@param command string
---@param read fun(result: any): string[]
local function ask(command, read)
  wire.execute(command, {}, function(err, result)
    if err then
      complain(err.message)
    else
      say(read(result))
    end
  end)
end

---@param is_on boolean
---@return fun(arguments: string[])
local function switch(is_on)
  return function(arguments)
    local buf = arguments[1] == 'buffer' and 0 or nil
    require('midfill').enable(is_on, buf)
  end
end

--- Return the command line of `midfill` that belongs to the server in use.
---@return string[]?
local function program()
  local command = server.command()
  for idx, part in ipairs(command) do
    if part == 'lsp' then
      return vim.list_slice(command, 1, idx - 1)
    end
  end
end

---@param id string
local function use_model(id)
  local settings = require('midfill').options.settings
  local kind = (settings.backend or {}).kind
  if kind and kind ~= 'engine' then
    complain(('backend.kind is %s: set backend.model in setup()'):format(kind))
    return
  end
  local command = program()
  if not command then
    complain('`cmd` in setup() holds no "lsp"; run: midfill models use ' .. id)
    return
  end
  vim.list_extend(command, { 'models' })
  if (settings.engine or {}).url then
    vim.list_extend(command, { '--engine-url', settings.engine.url })
  end
  vim.list_extend(command, { 'use', id })
  vim.system(command, { text = true }, function(done)
    vim.schedule(function()
      local told = vim.trim(done.code == 0 and done.stdout or done.stderr)
      if done.code == 0 then
        say({ told })
      else
        complain(told)
      end
    end)
  end)
end

local function ask_for_token()
  local token = require('midfill.token')
  if not require('midfill').options.token then
    complain('set token = "ask" in setup() first')
  elseif not token.url then
    complain('no server has asked for a token yet: see backend.kind')
  elseif token.prompt(token.url) then
    wire.notify('midfill/didChangeToken', vim.empty_dict())
  end
end

---@param reason { remedy?: string }
---@return string[]
local function remedy_of(reason)
  return type(reason.remedy) == 'string' and { 'What to do: ' .. reason.remedy } or {}
end

---@type table<string, { choices?: string[], run: fun(arguments: string[]) }>
M.subcommands = {
  status = {
    run = function()
      ask('midfill.status', function(status)
        status.metrics = nil
        return lines_of(status)
      end)
    end,
  },
  stats = {
    run = function()
      ask('midfill.status', function(status)
        return lines_of(status.metrics)
      end)
    end,
  },
  explain = {
    run = function()
      ask('midfill.explain', function(explanation)
        if type(explanation) ~= 'table' then
          return { 'Midfill: no request yet' }
        end
        local reason = explanation.reason
        explanation.reason = nil
        return vim.list_extend(vim.list_extend({ reason.sentence }, remedy_of(reason)), lines_of(explanation))
      end)
    end,
  },
  restart = { run = server.restart },
  model = {
    run = function(arguments)
      if arguments[1] then
        use_model(arguments[1])
        return
      end
      ask('midfill.status', function(status)
        local can = type(status.capabilities) == 'table' and status.capabilities or {}
        local told = { 'model: ' .. status.model, 'backend: ' .. status.backend }
        return vim.list_extend(told, lines_of(can))
      end)
    end,
  },
  token = { run = ask_for_token },
  log = {
    run = function()
      local log = vim.lsp.log
      vim.cmd.tabnew(vim.fn.fnameescape(log.get_filename()))
      vim.cmd('normal! G')
    end,
  },
  enable = { choices = { 'buffer' }, run = switch(true) },
  disable = { choices = { 'buffer' }, run = switch(false) },
  toggle = {
    choices = { 'buffer' },
    run = function(arguments)
      require('midfill').toggle(arguments[1] == 'buffer' and 0 or nil)
    end,
  },
}

---@return string[]
local function names()
  local list = vim.tbl_keys(M.subcommands)
  table.sort(list)
  return list
end

--- Call `setup()` if nobody has.
function M.set_up()
  if not require('midfill').options then
    require('midfill').setup()
  end
end

--- Run `:Midfill ARGUMENTS`.
---@param arguments string[]
function M.run(arguments)
  local name = arguments[1] or 'status'
  local subcommand = M.subcommands[name]
  if not subcommand then
    complain(('no subcommand %s; there are: %s'):format(name, table.concat(names(), ', ')))
    return
  end
  local rest = vim.list_slice(arguments, 2)
  if subcommand.choices and rest[1] and not vim.tbl_contains(subcommand.choices, rest[1]) then
    local choices = table.concat(subcommand.choices, ', ')
    complain(('%s takes nothing, or one of: %s; got %s'):format(name, choices, rest[1]))
    return
  end
  M.set_up()
  subcommand.run(rest)
end

--- Return what may stand where the cursor is in the command line.
---@param lead string
---@param line string
---@return string[]
function M.complete(lead, line)
  local before = vim.split(vim.trim(line:sub(1, #line - #lead)), '%s+')
  local choices = names()
  if #before > 1 then
    local subcommand = M.subcommands[before[2]]
    choices = #before == 2 and subcommand and subcommand.choices or {}
  end
  return vim.tbl_filter(function(choice)
    return vim.startswith(choice, lead)
  end, choices)
end

return M
