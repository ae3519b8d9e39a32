@echo off
rem A guided test of docker-compose.yml, as a menu: setup.bat and "docker compose up -d --build" come first.
rem The same as test-guide.sh, for Windows 10 and newer, which have curl. SERVER_URL and COMPOSE can be set.
setlocal enabledelayedexpansion
cd /d "%~dp0"
if not exist .env (
  echo test-guide: there is no .env to read; run setup.bat first
  exit /b 1
)

set "port=3000"
for /f "tokens=1,* delims==" %%A in (.env) do (
  if "%%A"=="ADMIN_TOKEN" set "token=%%B"
  if "%%A"=="SERVER_PORT" set "port=%%B"
)
if not defined SERVER_URL set "SERVER_URL=http://localhost:%port%"
if not defined COMPOSE (
  docker compose version >nul 2>nul && (set "COMPOSE=docker compose") || (set "COMPOSE=docker-compose")
)

rem The token comes from a file of the user's own: arguments are in the list of processes.
set "config=%TEMP%\backhaul-guide-%RANDOM%%RANDOM%.conf"
set "answer=%config%.json"
set "content=%config%.bin"
> "%config%" echo header = "Authorization: Bearer %token%"
set "token="

:menu
echo.
echo  1  health                        6  verify the downloaded files
echo  2  list clients                  7  logs of the server
echo  3  download from one             8  logs of one client
echo  4  download from all three       9  clean up
echo  5  status of a download          0  exit
set "choice=0"
set /p "choice=Choice? "
if "%choice%"=="1" call :get /health & call :get /ready
if "%choice%"=="2" call :get /api/clients
if "%choice%"=="3" call :site && call :ask && call :follow
if "%choice%"=="4" for %%S in (restaurant-001 restaurant-002 restaurant-003) do (
  set "site=%%S"
  call :ask && call :follow
)
if "%choice%"=="5" call :status
if "%choice%"=="6" for %%S in (restaurant-001 restaurant-002 restaurant-003) do call :verify %%S
if "%choice%"=="7" %COMPOSE% logs --tail 50 server
if "%choice%"=="8" call :site && %COMPOSE% logs --tail 50 client-!site!
if "%choice%"=="9" call :clean
if "%choice%"=="0" (
  del "%config%" "%answer%" "%content%" 2>nul
  exit /b 0
)
goto menu

:get
curl -K "%config%" -sS "%SERVER_URL%%~1" || echo No answer from %SERVER_URL%: is it up? %COMPOSE% up -d --build
exit /b 0

:site
set "number="
set /p "number=Which one, 1, 2 or 3? "
set "site=restaurant-00%number%"
if "%number%"=="1" exit /b 0
if "%number%"=="2" exit /b 0
if "%number%"=="3" exit /b 0
echo There is no restaurant %number%.
exit /b 1

rem One member of the answer, a JSON object, in a variable of the same name.
:field
set "%1="
for /f "usebackq delims=" %%V in (`powershell -NoProfile -Command "(Get-Content -Raw '%answer%' | ConvertFrom-Json).%1"`) do set "%1=%%V"
exit /b 0

:ask
curl -K "%config%" -sS -o "%answer%" -H "Content-Type: application/json" -d "{\"clientId\":\"%site%\"}" "%SERVER_URL%/api/download" || exit /b 1
call :field requestId
if defined requestId (
  echo %site%: asked, download %requestId%
  exit /b 0
)
call :field detail
echo %site%: !detail!
exit /b 1

:show
curl -K "%config%" -sS -o "%answer%" "%SERVER_URL%/api/downloads/%requestId%" || exit /b 1
for %%F in (clientId file_name status progress checksum detail) do call :field %%F
echo !clientId!: !file_name!, !status!, !progress! %%, SHA-256 !checksum! !detail!
exit /b 0

:follow
call :show
if "%status%"=="completed" exit /b 0
if "%status%"=="failed" exit /b 1
if "%status%"=="cancelled" exit /b 1
if "%status%"=="expired" exit /b 1
timeout /t 1 /nobreak >nul
goto follow

:newest
set "requestId="
curl -K "%config%" -sS -o "%answer%" "%SERVER_URL%/downloads?limit=1%~1" || exit /b 1
for /f "usebackq delims=" %%V in (`powershell -NoProfile -Command "(Get-Content -Raw '%answer%' | ConvertFrom-Json).downloads[0].id"`) do set "requestId=%%V"
exit /b 0

:status
set "requestId="
set /p "requestId=Id of the download (empty: the newest)? "
if not defined requestId call :newest ""
if not defined requestId (echo Nothing was downloaded yet.) else call :show
exit /b 0

:verify
call :newest "&client=%1&status=completed"
if not defined requestId (
  echo %1: nothing was downloaded yet
  exit /b 1
)
curl -K "%config%" -sS -f -o "%content%" "%SERVER_URL%/downloads/%requestId%/content" || exit /b 1
set "got="
for /f "usebackq" %%H in (`powershell -NoProfile -Command "(Get-FileHash -Algorithm MD5 '%content%').Hash.ToLower()"`) do set "got=%%H"
findstr /b /c:"%got%  test-files/%1/file_to_download.txt" checksums.txt >nul && (
  echo %1: OK, MD5 %got% at both ends
) || (
  echo %1: FAILED, MD5 %got% at the server is not the one in checksums.txt
)
exit /b 0

:clean
set "sure="
set /p "sure=Remove the containers and what they keep: downloads, database, keys (y/N)? "
if /i "%sure%"=="y" (
  %COMPOSE% down -v && echo Gone. The test files, checksums.txt and .env are still there.
) else (
  echo Nothing was removed.
)
exit /b 0
