# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# inventory.rb FOLDER: has Vagrant's own provisioner "ansible" write its inventory for the machines of a project.
#
# The machines are stand-ins that answer only where SSH reaches them; all else is Vagrant's.

require "vagrant"
require Vagrant.source_root.join("plugins/provisioners/ansible/plugin").to_s
require Vagrant.source_root.join("plugins/provisioners/ansible/provisioner/host").to_s

StandInMachine = Struct.new(:name, :config, :ssh_info, :env, :provider_name)

environment = Vagrant::Environment.new(cwd: ARGV[0], ui_class: Vagrant::UI::Silent)
machines = environment.machine_names.each_with_index.map do |name, number|
  config = environment.vagrantfile.machine_config(name, :virtualbox, nil, nil, false)[:config]
  key = environment.local_data_path.join("machines/#{name}/virtualbox/private_key").to_s
  ssh = { host: "127.0.0.1", port: 2222 + number, username: "vagrant", private_key_path: [key] }
  StandInMachine.new(name, config, ssh, environment, :virtualbox)
end
environment.define_singleton_method(:active_machines) { machines.map { |machine| [machine.name, :virtualbox] } }
environment.define_singleton_method(:machine) { |name, _provider| machines.find { |machine| machine.name == name } }

machines.each do |machine|
  machine.config.vm.provisioners.each do |provisioner|
    next unless provisioner.type == :ansible

    host = VagrantPlugins::Ansible::Provisioner::Host.new(machine, provisioner.config)
    provisioner.config.finalize!
    host.send(:set_and_check_compatibility_mode)
    puts host.send(:generate_inventory)
  end
end
