# The network that is made: in each of three zones a private subnet for nodes, a public one for load balancers, and one
# without any way out for databases.

data "aws_availability_zones" "this" {
  count = var.provision_vpc ? 1 : 0
  state = "available"

  # Local zones and wavelength zones have no cluster and no databases.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

locals {
  # A few regions have two.
  zone_names = var.provision_vpc ? data.aws_availability_zones.this[0].names : []
  zones      = slice(local.zone_names, 0, min(3, length(local.zone_names)))
  nat_zones  = var.vpc_single_nat_gateway ? slice(local.zones, 0, min(1, length(local.zones))) : local.zones

  # Three eighths are private, as pods have addresses of their own there; an eighth is spare.
  private_cidrs  = { for index, zone in local.zones : zone => cidrsubnet(var.vpc_cidr, 3, index) }
  public_cidrs   = { for index, zone in local.zones : zone => cidrsubnet(var.vpc_cidr, 6, 32 + index) }
  database_cidrs = { for index, zone in local.zones : zone => cidrsubnet(var.vpc_cidr, 6, 48 + index) }
}

resource "aws_vpc" "this" {
  count                = var.provision_vpc ? 1 : 0
  cidr_block           = var.vpc_cidr
  enable_dns_hostnames = true
  enable_dns_support   = true
  tags                 = { Name = local.vpc_name }
}

# Nobody uses the default group: whoever forgets to name one shall reach nothing.
resource "aws_default_security_group" "this" {
  count  = var.provision_vpc ? 1 : 0
  vpc_id = aws_vpc.this[0].id
  tags   = { Name = "${local.vpc_name}-default" }
}

resource "aws_subnet" "private" {
  for_each          = local.private_cidrs
  vpc_id            = aws_vpc.this[0].id
  availability_zone = each.key
  cidr_block        = each.value
  tags = merge(
    { Name = "${local.vpc_name}-private-${each.key}", "kubernetes.io/role/internal-elb" = "1" },
    var.enable_karpenter ? { "karpenter.sh/discovery" = local.cluster_name } : {},
  )
}

resource "aws_subnet" "public" {
  for_each                = local.public_cidrs
  vpc_id                  = aws_vpc.this[0].id
  availability_zone       = each.key
  cidr_block              = each.value
  map_public_ip_on_launch = false
  tags                    = { Name = "${local.vpc_name}-public-${each.key}", "kubernetes.io/role/elb" = "1" }
}

resource "aws_subnet" "database" {
  for_each          = local.database_cidrs
  vpc_id            = aws_vpc.this[0].id
  availability_zone = each.key
  cidr_block        = each.value
  tags              = { Name = "${local.vpc_name}-database-${each.key}" }
}

resource "aws_internet_gateway" "this" {
  count  = var.provision_vpc ? 1 : 0
  vpc_id = aws_vpc.this[0].id
  tags   = { Name = local.vpc_name }
}

resource "aws_eip" "nat" {
  for_each   = toset(local.nat_zones)
  domain     = "vpc"
  tags       = { Name = "${local.vpc_name}-nat-${each.key}" }
  depends_on = [aws_internet_gateway.this]
}

resource "aws_nat_gateway" "this" {
  for_each      = toset(local.nat_zones)
  allocation_id = aws_eip.nat[each.key].id
  subnet_id     = aws_subnet.public[each.key].id
  tags          = { Name = "${local.vpc_name}-${each.key}" }
  depends_on    = [aws_internet_gateway.this]
}
