# A resource remembers what it was made of, and terraform does not remember that it was sensitive.
variable "password" { sensitive = true }
resource "terraform_data" "x" { input = var.password }
output "password" {
  value     = terraform_data.x.output
  sensitive = true
}
