output "greeting" {
  value       = "hello, ${var.name}"
  description = "What the stack has to say."
}

output "workers" {
  value       = terraform_data.worker[*].output
  description = "Each worker."
}

output "password" {
  value       = terraform_data.password.output
  sensitive   = true
  description = "Never shown in a log."
}
