# The task needs a way out and no way in. Without subnets of somebody's it gets a network of its own: private subnets behind
# one NAT gateway, or public ones where the task has a public address anyway.

locals {
  own_network  = length(var.subnet_ids) == 0
  nat          = local.own_network && !var.assign_public_ip
  own_subnets  = var.assign_public_ip ? aws_subnet.public[*].id : aws_subnet.private[*].id
  task_subnets = local.own_network ? local.own_subnets : var.subnet_ids
  vpc_id       = local.own_network ? aws_vpc.own[0].id : data.aws_subnet.given[0].vpc_id
}

data "aws_subnet" "given" {
  count = local.own_network ? 0 : 1
  id    = var.subnet_ids[0]
}

data "aws_availability_zones" "available" {
  count = local.own_network ? 1 : 0
  state = "available"
}

resource "aws_vpc" "own" {
  count                = local.own_network ? 1 : 0
  cidr_block           = var.vpc_cidr
  enable_dns_hostnames = true
  tags                 = { Name = local.name }
}

resource "aws_internet_gateway" "own" {
  count  = local.own_network ? 1 : 0
  vpc_id = aws_vpc.own[0].id
  tags   = { Name = local.name }
}

resource "aws_subnet" "public" {
  count             = local.own_network ? 2 : 0
  vpc_id            = aws_vpc.own[0].id
  cidr_block        = cidrsubnet(var.vpc_cidr, 2, count.index)
  availability_zone = data.aws_availability_zones.available[0].names[count.index]
  tags              = { Name = "${local.name}-public" }
}

resource "aws_route_table" "public" {
  count  = local.own_network ? 1 : 0
  vpc_id = aws_vpc.own[0].id
  tags   = { Name = "${local.name}-public" }
}

resource "aws_route" "public" {
  count                  = local.own_network ? 1 : 0
  route_table_id         = aws_route_table.public[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.own[0].id
}

resource "aws_route_table_association" "public" {
  count          = local.own_network ? 2 : 0
  subnet_id      = aws_subnet.public[count.index].id
  route_table_id = aws_route_table.public[0].id
}

resource "aws_subnet" "private" {
  count             = local.nat ? 2 : 0
  vpc_id            = aws_vpc.own[0].id
  cidr_block        = cidrsubnet(var.vpc_cidr, 2, count.index + 2)
  availability_zone = data.aws_availability_zones.available[0].names[count.index]
  tags              = { Name = "${local.name}-private" }
}

resource "aws_eip" "nat" {
  count  = local.nat ? 1 : 0
  domain = "vpc"
  tags   = { Name = local.name }
}

resource "aws_nat_gateway" "own" {
  count         = local.nat ? 1 : 0
  allocation_id = aws_eip.nat[0].id
  subnet_id     = aws_subnet.public[0].id
  tags          = { Name = local.name }
  depends_on    = [aws_internet_gateway.own]
}

resource "aws_route_table" "private" {
  count  = local.nat ? 1 : 0
  vpc_id = aws_vpc.own[0].id
  tags   = { Name = "${local.name}-private" }
}

resource "aws_route" "private" {
  count                  = local.nat ? 1 : 0
  route_table_id         = aws_route_table.private[0].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.own[0].id
}

resource "aws_route_table_association" "private" {
  count          = local.nat ? 2 : 0
  subnet_id      = aws_subnet.private[count.index].id
  route_table_id = aws_route_table.private[0].id
}

resource "aws_security_group" "task" {
  name        = local.name
  description = "A runner asks, and nobody asks it"
  vpc_id      = local.vpc_id
  tags        = { Name = local.name }
}

resource "aws_vpc_security_group_egress_rule" "task" {
  security_group_id = aws_security_group.task.id
  description       = "To the control plane, clouds, registries"
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}
