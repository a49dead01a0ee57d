# What Vagrant itself reads out of the Vagrantfile for one machine of one provider, as JSON.
require "json"
require "vagrant"

name, provider = ARGV
environment = Vagrant::Environment.new(cwd: Dir.pwd, ui_class: Vagrant::UI::Silent)
found = environment.vagrantfile.machine_config(name.to_sym, provider.to_sym, nil, nil, false)
told = found[:config].vm.get_provider_config(provider.to_sym)
puts JSON.dump(
  box: found[:config].vm.box,
  errors: found[:config_errors],
  folders: found[:config].vm.synced_folders.values.reject { |each| each[:disabled] },
  networks: found[:config].vm.networks.map(&:last),
  **(provider == "libvirt" ? {
    memory: told.memory, cpus: told.cpus, cdroms: told.cdroms, memory_backing: told.memory_backing,
  } : { customizations: told.customizations.map(&:last) }),
)
