# A stack that needs no provider: `terraform_data` is built in.

variable "name" {
  type        = string
  default     = "world"
  description = "Whom to greet."
}

variable "replicas" {
  type        = number
  default     = 2
  description = "How many workers stand behind the greeting."

  validation {
    condition     = var.replicas >= 1 && var.replicas <= 10
    error_message = "Between 1 and 10 replicas."
  }
}

resource "terraform_data" "network" {
  input = { cidr = "10.0.0.0/16" }
}

resource "terraform_data" "cluster" {
  input = {
    network = terraform_data.network.id
    name    = "hello-${var.name}"
  }
}

resource "terraform_data" "worker" {
  count = var.replicas

  input            = "worker ${count.index} of ${terraform_data.cluster.output.name}"
  triggers_replace = [terraform_data.cluster.id]
}

resource "terraform_data" "password" {
  input      = sensitive("correct horse battery staple for ${var.name}")
  depends_on = [terraform_data.cluster]
}
