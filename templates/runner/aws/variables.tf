variable "runner_id" {
  description = "The runner's id at the control plane."
  type        = string
  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.runner_id))
    error_message = "An id has 1 to 64 letters, digits, '-' or '_'."
  }
}

variable "runner_name" {
  description = "What people call it."
  type        = string
}

variable "runner_mode" {
  description = "Whom it works for: self-hosted (one organisation) or cloud-hosted (all)."
  type        = string
  default     = "self-hosted"
  validation {
    condition     = contains(["self-hosted", "cloud-hosted"], var.runner_mode)
    error_message = "A mode is self-hosted or cloud-hosted."
  }
}

variable "alethia_url" {
  description = "The control plane: https and a host."
  type        = string
  validation {
    condition     = can(regex("^https://[^/]+$", var.alethia_url))
    error_message = "Give https and a host, without a path, for example https://alethia.example.com."
  }
}

variable "region" {
  description = "Where it runs."
  type        = string
}

variable "image_repository" {
  description = "The runner's image, without tag."
  type        = string
}

variable "image_tag" {
  description = "The tag of the image, or its digest (sha256:...)."
  type        = string
  default     = "latest"
}

variable "image_command" {
  description = "What the image is told to do; its entry point is alethia."
  type        = list(string)
  default     = ["runner", "start"]
}

variable "architecture" {
  description = "ARM64 or X86_64."
  type        = string
  default     = "ARM64"
  validation {
    condition     = contains(["ARM64", "X86_64"], var.architecture)
    error_message = "An architecture is ARM64 or X86_64."
  }
}

variable "cpu" {
  description = "CPU units of the task; 1024 are one CPU."
  type        = number
  default     = 512
}

variable "memory" {
  description = "Memory of the task in MiB."
  type        = number
  default     = 1024
}

variable "slots" {
  description = "How many jobs run at once."
  type        = number
  default     = 1
}

variable "labels" {
  description = "What it offers to jobs that ask for labels."
  type        = map(string)
  default     = {}
}

variable "subnet_ids" {
  description = "The subnets of the task, with a way out to the internet. Empty: a network of its own is made."
  type        = list(string)
  default     = []
}

variable "assign_public_ip" {
  description = "Give the task a public address. A network of its own then has no NAT gateway."
  type        = bool
  default     = false
}

variable "vpc_cidr" {
  description = "Addresses of the network of its own."
  type        = string
  default     = "10.210.0.0/24"
}

variable "assumable_roles" {
  description = "Patterns of the roles that its jobs may be. Empty: AlethiaProvisionerRole-* of every account."
  type        = list(string)
  default     = []
}

variable "storage_endpoint" {
  description = "The S3 storage of terraform states; empty: the control plane keeps them."
  type        = string
  default     = ""
}

variable "storage_region" {
  description = "The region of that storage."
  type        = string
  default     = ""
}

variable "storage_bucket" {
  description = "The bucket in it for the states of environments and runners; empty: the runner's usual one."
  type        = string
  default     = ""
}

variable "storage_create_buckets" {
  description = "Whether the runner may make a bucket that is missing."
  type        = bool
  default     = true
}

variable "infracost" {
  description = "Whether there is a key of Infracost."
  type        = bool
  default     = false
}

variable "secret_versions" {
  description = "Grows with each secret that is replaced: a secret is written only when its number changes."
  type = object({
    runner_token = number
    storage      = optional(number, 1)
    infracost    = optional(number, 1)
  })
}

variable "runner_token" {
  description = "The runner's token. Needed when its number changes."
  type        = string
  sensitive   = true
  ephemeral   = true
  default     = "(unchanged)"
}

variable "storage_key_id" {
  description = "The key of the storage. Needed when its number changes."
  type        = string
  sensitive   = true
  ephemeral   = true
  default     = "(unchanged)"
}

variable "storage_secret_key" {
  description = "The other half of that key."
  type        = string
  sensitive   = true
  ephemeral   = true
  default     = "(unchanged)"
}

variable "infracost_api_key" {
  description = "The key of Infracost. Needed when its number changes."
  type        = string
  sensitive   = true
  ephemeral   = true
  default     = "(unchanged)"
}

variable "log_retention_days" {
  description = "How long the runner's own log is kept."
  type        = number
  default     = 30
}

variable "deployment" {
  description = "Another text makes the service start a new task, although nothing else has changed: for a tag that has moved."
  type        = string
  default     = ""
}

variable "desired_count" {
  description = "0 or 1, when the service is made; later the scaler or its operator decides."
  type        = number
  default     = 1
  validation {
    condition     = contains([0, 1], var.desired_count)
    error_message = "One runner is one task: give 0 or 1."
  }
}

variable "scale_to_zero" {
  description = "Stop the task when there was no work for a while, and start it when there is."
  type        = bool
  default     = false
}

variable "has_scaler" {
  description = "Whether it did that before: what did it then keeps the task running."
  type        = bool
  default     = false
}

variable "idle_seconds" {
  description = "How long there must have been no work."
  type        = number
  default     = 300
}

variable "wait_for_steady_state" {
  description = "Wait until the task runs."
  type        = bool
  default     = true
}
