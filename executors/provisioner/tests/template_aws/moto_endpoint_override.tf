# moto has no name per bucket.

provider "aws" {
  s3_use_path_style = true
}

provider "aws" {
  alias             = "us_east_1"
  s3_use_path_style = true
}
