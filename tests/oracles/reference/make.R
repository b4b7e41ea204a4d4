# Makes cases.csv and numbers.csv, against which tests/oracles/test_r_references.py compares.
# Run where R is: Rscript tests/oracles/reference/make.R tests/oracles/reference
# Needs survival, cmprsk, pROC, riskRegression, maxstat. Not needed to run the tests.
suppressMessages({library(survival); library(cmprsk); library(pROC); library(riskRegression); library(maxstat); library(prodlim)})
folder <- commandArgs(trailingOnly = TRUE)[1]
set.seed(20261126)

people <- function(n, tied) {
  x <- rnorm(n); y <- 0.6 * x + 0.8 * rnorm(n); z <- rbinom(n, 1, 0.4)
  event <- rexp(n, 0.12 * exp(0.7 * x + 0.4 * z)); death <- rexp(n, 0.05); end <- runif(n, 0.5, 12)
  time <- pmin(event, death, end)
  code <- ifelse(time == event, 1, ifelse(time == death, 2, 0))
  time <- if (tied) ceiling(time * 2) / 2 else round(time, 5) + 1e-5
  if (tied) { x <- round(x, 1); y <- round(y, 1) }
  data.frame(duration = time, event = code, x = round(x, 6), y = round(y, 6), z = z,
             weight = round(runif(n, 0.5, 2), 3), entry = round(time * runif(n, 0, 0.5), 4),
             stratum = sample(c("a", "b", "c"), n, TRUE), person = rep(seq_len(n / 2), each = 2))
}
cases <- rbind(cbind(set = "plain", people(240, FALSE)), cbind(set = "tied", people(240, TRUE)))
write.csv(cases, file.path(folder, "cases.csv"), row.names = FALSE)

rows <- list()
say <- function(set, what, term, value) {
  rows[[length(rows) + 1]] <<- data.frame(set = set, what = what, term = term, value = as.numeric(value))
}
fit <- function(set, name, model, robust = FALSE) {
  table <- summary(model)$coefficients
  for (term in rownames(table)) {
    say(set, name, paste0("coef_", term), table[term, "coef"])
    say(set, name, paste0("se_", term), table[term, if (robust) "robust se" else "se(coef)"])
  }
  say(set, name, "log_likelihood", model$loglik[2])
  say(set, name, "likelihood_ratio", 2 * diff(model$loglik))
}

for (set in c("plain", "tied")) {
  d <- cases[cases$set == set, ]; d$own <- as.numeric(d$event == 1)
  for (ties in c("efron", "breslow")) {
    k <- coxph.control(eps = 1e-12, toler.chol = 1e-14, iter.max = 50)
    fit(set, paste0("cox_", ties), coxph(Surv(duration, own) ~ x + y + z, d, ties = ties, control = k))
    fit(set, paste0("cox_", ties, "_strata"), coxph(Surv(duration, own) ~ x + z + strata(stratum), d, ties = ties, control = k))
    fit(set, paste0("cox_", ties, "_weights"), coxph(Surv(duration, own) ~ x + z, d, weights = weight, ties = ties, control = k, robust = FALSE))
    fit(set, paste0("cox_", ties, "_entry"), coxph(Surv(entry, duration, own) ~ x + z, d, ties = ties, control = k))
    fit(set, paste0("cox_", ties, "_cluster"), coxph(Surv(duration, own) ~ x + z, d, cluster = person, ties = ties, control = k), robust = TRUE)
  }
  model <- coxph(Surv(duration, own) ~ x + y + z, d, control = coxph.control(eps = 1e-12, toler.chol = 1e-14, iter.max = 50))
  for (transform in c("km", "identity", "log")) {
    table <- cox.zph(model, transform = transform, terms = FALSE)$table
    for (term in rownames(table)) say(set, paste0("zph_", transform), tolower(term), table[term, "chisq"])
  }
  s <- survfit(Surv(duration, own) ~ 1, d, conf.type = "log-log"); at <- summary(s, times = c(1, 3, 6))
  for (i in 1:3) for (part in c("surv", "std.err", "lower", "upper")) say(set, "km", paste0(part, "_", at$time[i]), at[[part]][i])
  m <- summary(survfit(Surv(duration, own) ~ 1, d), rmean = 6)$table
  say(set, "km", "rmean_6", m["rmean"]); say(set, "km", "rmean_se_6", m["se(rmean)"])
  for (rho in 0:1) say(set, "log_rank", paste0("rho_", rho), survdiff(Surv(duration, own) ~ stratum, d, rho = rho)$chisq)
  say(set, "log_rank", "stratified", survdiff(Surv(duration, own) ~ z + strata(stratum), d)$chisq)

  c1 <- concordance(Surv(duration, own) ~ x, d, reverse = TRUE)
  say(set, "harrell", "estimate", c1$concordance); say(set, "harrell", "se", sqrt(c1$var))
  cc <- concordance(Surv(duration, own) ~ x, d, reverse = TRUE, cluster = person)
  say(set, "harrell", "se_cluster", sqrt(cc$var))
  both <- list(coxph(Surv(duration, own) ~ x, d), coxph(Surv(duration, own) ~ y, d))
  pair <- concordance(both[[1]], both[[2]]); gap <- c(1, -1)
  say(set, "harrell", "difference", gap %*% pair$concordance)
  say(set, "harrell", "difference_se", sqrt(gap %*% pair$var %*% gap))

  ci <- cuminc(d$duration, d$event, cencode = 0); tp <- timepoints(ci, c(1, 3, 6))
  for (cause in 1:2) for (i in 1:3) {
    say(set, "cuminc", paste0("estimate_", cause, "_", c(1, 3, 6)[i]), tp$est[cause, i])
    say(set, "cuminc", paste0("variance_", cause, "_", c(1, 3, 6)[i]), tp$var[cause, i])
  }
  gray <- cuminc(d$duration, d$event, d$stratum, cencode = 0)$Tests
  for (cause in 1:2) say(set, "gray", paste0("statistic_", cause), gray[cause, "stat"])
  grayed <- cuminc(d$duration, d$event, d$z, strata = d$stratum, cencode = 0)$Tests
  for (cause in 1:2) say(set, "gray_stratified", paste0("statistic_", cause), grayed[cause, "stat"])
  gray1 <- cuminc(d$duration, d$event, d$stratum, rho = 1, cencode = 0)$Tests
  for (cause in 1:2) say(set, "gray_rho", paste0("statistic_", cause), gray1[cause, "stat"])
  for (ties in c("efron", "breslow")) {
    long <- finegray(Surv(duration, factor(event)) ~ ., data = d, etype = "1")
    model <- coxph(Surv(fgstart, fgstop, fgstatus) ~ x + z, long, weights = fgwt, ties = ties, control = k, robust = FALSE)
    for (term in c("x", "z")) say(set, paste0("finegray_", ties), paste0("coef_", term), coef(model)[term])
  }
  fg <- crr(d$duration, d$event, d[, c("x", "z")], failcode = 1, cencode = 0, gtol = 1e-12, maxiter = 50)
  for (i in 1:2) {
    say(set, "fine_gray_breslow", paste0("coef_", c("x", "z")[i]), fg$coef[i])
    say(set, "fine_gray_breslow", paste0("se_", c("x", "z")[i]), sqrt(fg$var[i, i]))
  }

  y <- as.numeric(d$event == 1)
  r <- list(roc(y, d$x, quiet = TRUE, direction = "<"), roc(y, d$y, quiet = TRUE, direction = "<"))
  say(set, "delong", "auc_x", auc(r[[1]])); say(set, "delong", "var_x", var(r[[1]]))
  say(set, "delong", "cov", cov(r[[1]], r[[2]]))
  t2 <- roc.test(r[[1]], r[[2]], method = "delong", paired = TRUE)
  say(set, "delong", "z", t2$statistic); say(set, "delong", "p", t2$p.value)

  for (method in c("Lau92", "Lau94")) {
    mt <- maxstat.test(Surv(duration, own) ~ x, d, smethod = "LogRank", pmethod = method, minprop = 0.1, maxprop = 0.9)
    say(set, "maxstat", paste0("statistic_", method), mt$statistic)
    say(set, "maxstat", paste0("p_", method), mt$p.value); say(set, "maxstat", paste0("cut_", method), mt$estimate)
  }

  horizons <- c(2, 5)
  scored <- function(formula, label, cause) {
    risk <- plogis(cbind(-1.5 + 0.6 * d$x, -0.5 + 0.6 * d$x))
    found <- Score(list(m = risk), formula, data = d, times = horizons, metrics = c("auc", "brier"),
                   cause = cause, conf.int = TRUE, null.model = TRUE, conservative = FALSE, cens.model = "km",
                   contrasts = FALSE)
    for (t in horizons) {
      a <- found$AUC$score[model == "m" & times == t]; say(set, label, paste0("auc_", t), a$AUC); say(set, label, paste0("auc_se_", t), a$se)
      b <- found$Brier$score[model == "m" & times == t]; say(set, label, paste0("brier_", t), b$Brier); say(set, label, paste0("brier_se_", t), b$se)
      n <- found$Brier$score[model == "Null model" & times == t]; say(set, label, paste0("brier_null_", t), n$Brier)
    }
  }
  scored(Surv(duration, own) ~ 1, "score", 1)
  scored(Hist(duration, event) ~ 1, "score_competing", 1)
}

# published anchors
data(aSAH); r1 <- roc(aSAH$outcome, aSAH$s100b, quiet = TRUE); r2 <- roc(aSAH$outcome, as.numeric(aSAH$wfns), quiet = TRUE)
t2 <- roc.test(r1, r2); say("asah", "delong", "z", t2$statistic); say("asah", "delong", "p", t2$p.value)
write.csv(data.frame(outcome = as.numeric(aSAH$outcome == "Poor"), s100b = aSAH$s100b, wfns = as.numeric(aSAH$wfns)),
          file.path(folder, "asah.csv"), row.names = FALSE)
m <- survival::mgus2; code <- ifelse(m$pstat == 1, 1, ifelse(m$death == 1, 2, 0)); time <- ifelse(m$pstat == 1, m$ptime, m$futime)
mci <- cuminc(time, code, cencode = 0); say("mgus2", "cuminc", "at_240", timepoints(mci, 240)$est[1, 1])
mkm <- survfit(Surv(time, code == 1) ~ 1); say("mgus2", "km", "one_minus_at_240", 1 - summary(mkm, times = 240)$surv)
mg <- cuminc(time, code, m$sex, cencode = 0)$Tests; say("mgus2", "gray", "sex", mg[1, "stat"])
write.csv(data.frame(months = time, event = code, female = as.numeric(m$sex == "F"), age = m$age),
          file.path(folder, "mgus2.csv"), row.names = FALSE)

out <- do.call(rbind, rows); out$value <- formatC(out$value, digits = 16, format = "g")
write.csv(out, file.path(folder, "numbers.csv"), row.names = FALSE, quote = FALSE)
versions <- sapply(c("survival", "cmprsk", "pROC", "riskRegression", "maxstat"), function(p) as.character(packageVersion(p)))
writeLines(c(R.version.string, paste(names(versions), versions)), file.path(folder, "versions.txt"))
