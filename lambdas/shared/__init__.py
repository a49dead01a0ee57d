"""Modules that the functions share.

- environment, telemetry, messages: variables, logs and metrics, the loop over a batch
- connections: clients of a Consul server and a Swarm manager
- aws_state, consul_state, swarm_state: observers, each for a part of the cluster's state
- actuator, voting_lock: changes of Consul and Swarm; the lock for changes of voting members
- launches, removal: one instance (observe it, ask the core, apply the step)
"""
