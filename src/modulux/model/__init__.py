"""What Modulux knows: modules, interfaces, desktops and plans, as data."""
