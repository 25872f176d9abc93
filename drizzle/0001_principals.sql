ALTER TABLE "registration_request" ADD COLUMN "principal" text;--> statement-breakpoint
ALTER TABLE "workflow" ADD COLUMN "principal" text;