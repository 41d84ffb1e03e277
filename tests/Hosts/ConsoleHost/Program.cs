using ManyHands;
using Newtonsoft.Json.Linq;

if (args is ["perish", var how, var folder])
    return await Perish.RunAsync(how, folder);
if (args is ["updated"])
    return await Updated.RunAsync();
if (args is ["replaced", var library, var newer])
    return await Replaced.RunAsync(library, newer);
if (args is ["named", var part, .. var names])
    return Named.Run(part, names);

// Prints a line for each thing that a child did. A second MAIN line would betray that this ran in a child.
List<string> said = [];
Say($"MAIN {Environment.ProcessId}");
if (args is ["forget"])
{
    // Neither disposed of nor joined: the program ends all the same, and they with it.
    Pool forgotten = Pool.Processes(2);
    Say($"POOL {await forgotten.RunAsync(static () => Environment.ProcessId)}");
    WorkerProcess busy = WorkerProcess.Start(static () => Thread.Sleep(Timeout.Infinite));
    Say($"PROCESS {busy.Id}");
    return 0;
}

try
{
    await using Pool pool = Pool.Processes(1);
    if (args is ["wait", var path])
    {
        await pool.RunAsync(WaitForEver, path);
        return 1;
    }

    Say(await pool.RunAsync(ParseInChild, "{\"answer\": 42}"));
    int captured = 7;
    Say(await WorkerProcess.Start(() => $"CHILD {Environment.ProcessId} {captured}"));
    Say(await pool.RunAsync(Nest));
}
catch (PlatformNotSupportedException refusal)
{
    Say($"REFUSED {refusal.Message}");
    return 3;
}

if (args is [var file])
    File.WriteAllLines(file, said);
return 0;

void Say(string line)
{
    said.Add(line);
    try
    {
        Console.WriteLine(line);
    }
    catch (IOException)
    {
        // Started without a standard output.
    }
}

static string ParseInChild(string json) => $"JSON {Environment.ProcessId} {JObject.Parse(json)["answer"]}";

static async Task<string> Nest() => $"NESTED {Environment.ProcessId} {await WorkerProcess.Start(static () => Environment.ProcessId)}";

static void WaitForEver(string path)
{
    File.WriteAllText(path + ".tmp", $"{Environment.ProcessId}");
    File.Move(path + ".tmp", path);
    while (true)
    {
    }
}
