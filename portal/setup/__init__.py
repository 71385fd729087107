"""How clients find the server: Mozilla autoconfig, autodiscover, Apple profiles, DNS zone lines, and a sheet to read."""
