"""Tasks, one file each: reset distribution, success, dense reward and a scripted demonstrator."""
