"""The last room before the motors: limits that no flag turns off. numpy and ruckig only."""
