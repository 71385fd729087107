# The service on its embedded engines. Build: docker build -t vaguemestre .
FROM python:3.11-slim

RUN useradd --create-home --uid 10001 vaguemestre && install -d -o vaguemestre /var/lib/vaguemestre
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY foundation foundation
COPY certs certs
COPY directory directory
COPY mailserver mailserver
COPY dmp_bridge dmp_bridge
COPY portal portal
COPY vaguemestre vaguemestre
COPY docs/requirements.toml docs/requirements.toml
RUN pip install --no-cache-dir .
USER vaguemestre
VOLUME /var/lib/vaguemestre
# submission (STARTTLS), submission (TLS), IMAP (STARTTLS), IMAP (TLS), HTTPS
EXPOSE 1025 1587 1465 1143 1993 1443
HEALTHCHECK CMD ["python", "-c", "import ssl, urllib.request; urllib.request.urlopen('https://127.0.0.1:1443/health', context=ssl._create_unverified_context(), timeout=5)"]
ENTRYPOINT ["vaguemestre"]
CMD ["serve", "--home", "/var/lib/vaguemestre"]
