# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# dump.rb FOLDER...: what the real Vagrant reads out of the Vagrantfiles of projects, as JSON.

require "json"
require "tmpdir"
require "vagrant"

def machine(environment, name)
  found = environment.vagrantfile.machine_config(name, :virtualbox, nil, nil, false)
  config = found[:config]
  {
    folders: config.vm.synced_folders,
    customizations: config.vm.get_provider_config(:virtualbox).customizations,
    provisioners: config.vm.provisioners.map { |one| [one.type, one.config.respond_to?(:inline) ? one.config.inline : nil] },
    warnings: found[:config_warnings],
    errors: found[:config_errors],
  }
end

# Vagrant's own notes about a project stay out of it.
Dir.mktmpdir do |notes|
  puts JSON.generate(ARGV.to_h do |folder|
    environment = Vagrant::Environment.new(cwd: folder, ui_class: Vagrant::UI::Silent, local_data_path: notes)
    [folder, environment.machine_names.to_h { |name| [name, machine(environment, name)] }]
  end)
end
