@echo off
rem Makes what docker-compose.yml needs: a file of 100 MB for each of three sites, checksums.txt, and .env with the tokens.
rem What is there already is kept. The same as setup.sh, for Windows 10 and newer.
setlocal
cd /d "%~dp0"

for %%S in (restaurant-001 restaurant-002 restaurant-003) do call :file %%S || exit /b 1

powershell -NoProfile -Command "$ErrorActionPreference = 'Stop'; $lines = Get-ChildItem test-files/*/file_to_download.txt | ForEach-Object { (Get-FileHash -Algorithm MD5 $_.FullName).Hash.ToLower() + '  test-files/' + $_.Directory.Name + '/' + $_.Name }; [IO.File]::WriteAllText((Join-Path (Get-Location) 'checksums.txt'), ($lines -join [char]10) + [char]10)" || exit /b 1
echo made:   checksums.txt

rem Where releases of the agent are made, which the server hands out.
if not exist dist mkdir dist || exit /b 1

if exist .env (
  echo kept:   .env
) else (
  rem Its rights come first, then what is in it.
  type nul > .env.new
  icacls .env.new /inheritance:r /grant:r "%USERNAME%:F" >nul || exit /b 1
  powershell -NoProfile -Command "$ErrorActionPreference = 'Stop'; $random = [Security.Cryptography.RandomNumberGenerator]::Create(); function token($prefix) { $bytes = New-Object byte[] 32; $random.GetBytes($bytes); $prefix + [Convert]::ToBase64String($bytes).Replace('+', '-').Replace('/', '_').TrimEnd('=') }; $lines = ('ADMIN_TOKEN=' + (token 'bho_')), ('ENROL_TOKEN=' + (token 'bhe_')); [IO.File]::WriteAllText((Join-Path (Get-Location) '.env.new'), ($lines -join [char]10) + [char]10)" || exit /b 1
  ren .env.new .env || exit /b 1
  echo made:   .env with the tokens, which only you can read
)

echo.
echo Next: docker compose up -d --build, then test-guide.bat
exit /b 0

:file
if exist "test-files\%1\file_to_download.txt" (
  echo kept:   test-files\%1\file_to_download.txt
  exit /b 0
)
if not exist "test-files\%1" mkdir "test-files\%1" || exit /b 1
powershell -NoProfile -Command "$ErrorActionPreference = 'Stop'; $random = [Security.Cryptography.RandomNumberGenerator]::Create(); $bytes = New-Object byte[] 786432; $file = [IO.File]::Create((Join-Path (Get-Location) 'test-files/%1/new')); foreach ($megabyte in 1..100) { $random.GetBytes($bytes); $text = [Text.Encoding]::ASCII.GetBytes([Convert]::ToBase64String($bytes)); $file.Write($text, 0, $text.Length) }; $file.Close()" || exit /b 1
ren "test-files\%1\new" file_to_download.txt || exit /b 1
echo made:   test-files\%1\file_to_download.txt
exit /b 0
