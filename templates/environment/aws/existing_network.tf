# The network that is there already, and what all other blocks know of either: `local.network`.

locals {
  uses_existing = !var.provision_vpc && var.vpc_id != ""
  has_network   = var.provision_vpc || local.uses_existing
}

data "aws_vpc" "existing" {
  count = local.uses_existing ? 1 : 0
  id    = var.vpc_id
}

# What a subnet is for is told by the tags by which a cluster finds its load balancers' subnets, as a network of our own
# has them. Where not both kinds have them, by whether it gives its machines public addresses.
data "aws_subnets" "tagged" {
  for_each = local.uses_existing ? { private = "kubernetes.io/role/internal-elb", public = "kubernetes.io/role/elb" } : {}

  filter {
    name   = "vpc-id"
    values = [var.vpc_id]
  }

  filter {
    name   = "tag-key"
    values = [each.value]
  }
}

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

data "aws_subnet" "existing" {
  for_each = toset(local.uses_existing ? local.found.private : [])
  id       = each.key
}

locals {
  given     = { private = var.vpc_private_subnet_ids, public = var.vpc_public_subnet_ids }
  is_tagged = alltrue([for tagged in data.aws_subnets.tagged : length(tagged.ids) > 0])
  looked_up = local.is_tagged ? data.aws_subnets.tagged : data.aws_subnets.existing
  of_kind = {
    for kind, given in local.given :
    kind => length(given) > 0 ? given : try(sort(local.looked_up[kind].ids), [])
  }

  # Where there is only one kind, it serves for both.
  found = {
    private = length(local.of_kind.private) > 0 ? local.of_kind.private : local.of_kind.public
    public  = length(local.of_kind.public) > 0 ? local.of_kind.public : local.of_kind.private
  }

  network = {
    id       = var.provision_vpc ? aws_vpc.this[0].id : var.vpc_id
    cidr     = var.provision_vpc ? var.vpc_cidr : try(data.aws_vpc.existing[0].cidr_block, null)
    zones    = var.provision_vpc ? local.zones : distinct([for id in local.found.private : try(data.aws_subnet.existing[id].availability_zone, "")])
    private  = var.provision_vpc ? [for zone in local.zones : aws_subnet.private[zone].id] : local.found.private
    public   = var.provision_vpc ? [for zone in local.zones : aws_subnet.public[zone].id] : local.found.public
    database = var.provision_vpc ? [for zone in local.zones : aws_subnet.database[zone].id] : local.found.private
  }

  # Clusters, databases and caches stand in two zones at least.
  network_fits  = local.has_network && length(local.network.zones) >= 2
  network_fault = "a cluster, a database or a cache needs a network with subnets in two zones: set provision_vpc, or vpc_id of one that has them."
}
