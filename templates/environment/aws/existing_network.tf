# The network that is there already, and what all other blocks know of either: `local.network`.

locals {
  uses_existing = !var.provision_vpc && var.vpc_id != ""
  has_network   = var.provision_vpc || local.uses_existing
}

data "aws_vpc" "existing" {
  count = local.uses_existing ? 1 : 0
  id    = var.vpc_id
}

# What a subnet is for is told by whether it gives its machines public addresses.
data "aws_subnets" "existing" {
  for_each = local.uses_existing ? { private = "false", public = "true" } : {}

  filter {
    name   = "vpc-id"
    values = [var.vpc_id]
  }

  filter {
    name   = "map-public-ip-on-launch"
    values = [each.value]
  }
}

locals {
  found = {
    for kind, given in { private = var.vpc_private_subnet_ids, public = var.vpc_public_subnet_ids } :
    kind => length(given) > 0 ? given : try(sort(data.aws_subnets.existing[kind].ids), [])
  }

  # Where there is only one kind, it serves for both.
  network = {
    id   = var.provision_vpc ? aws_vpc.this[0].id : var.vpc_id
    cidr = var.provision_vpc ? var.vpc_cidr : try(data.aws_vpc.existing[0].cidr_block, null)

    private  = var.provision_vpc ? [for zone in local.zones : aws_subnet.private[zone].id] : coalescelist(local.found.private, local.found.public, [""])
    public   = var.provision_vpc ? [for zone in local.zones : aws_subnet.public[zone].id] : coalescelist(local.found.public, local.found.private, [""])
    database = var.provision_vpc ? [for zone in local.zones : aws_subnet.database[zone].id] : coalescelist(local.found.private, local.found.public, [""])
  }
}
