# Names and labels. Google cuts names short, at 30 to 63 characters: a stage is written in four letters at most, and where
# even that is too long a digest stands for the environment.

locals {
  # europe-west1 is euw1, asia-southeast2 is asse2, northamerica-northeast1 is nane1.
  region_area  = { europe = "eu", us = "us", asia = "as", australia = "au", northamerica = "na", southamerica = "sa", africa = "af", me = "me" }
  region_words = { northeast = "ne", northwest = "nw", southeast = "se", southwest = "sw", north = "n", south = "s", east = "e", west = "w", central = "c" }
  region_parts = regex("^([a-z]+)-([a-z]+)([0-9]+)$", var.region)
  region_short = join("", [
    lookup(local.region_area, local.region_parts[0], substr(local.region_parts[0], 0, 2)),
    lookup(local.region_words, local.region_parts[1], substr(local.region_parts[1], 0, 2)),
    local.region_parts[2],
  ])

  stage  = { development = "dev", staging = "stg", production = "prod" }[var.environment]
  prefix = "${local.region_short}-${local.stage}-${var.project_name}"

  # Two environments never share it.
  digest = substr(sha256("${var.project_id}/${var.region}/${var.environment}/${var.project_name}"), 0, 8)

  labels = {
    project     = var.project_name
    environment = var.environment
    managed-by  = "terraform"
  }

  protect_data = coalesce(var.protect_data, var.environment == "production")
}
