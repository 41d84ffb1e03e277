using System.Diagnostics;
using System.Globalization;
using ManyHands.Fuzz;

// ManyHands.Fuzz [target …] [--coverage] [--inputs N] [--seconds T] [--seed S] [--save folder] [--input file]
// With --coverage the library's code is instrumented, in a copy, and inputs that take new ways are those that are changed further; --save writes them down.
// Without a target: all of them, each with so many inputs and so much time. The exit code is 1 if a target broke a promise, 2 if the command line is wrong, 3 if one hangs.
List<FuzzTarget> targets = [];
long inputs = long.MaxValue;
double seconds = 10;
int seed = Environment.TickCount & 0xFFFFFF;
string? again = null;
string? folder = null;
if (args.Contains("--coverage") && Coverage.Find() is null)
    return Coverage.RunInstrumented(args);
Coverage? coverage = Coverage.Find();
for (int index = 0; index < args.Length; index++)
{
    string? value = index + 1 < args.Length ? args[index + 1] : null;
    switch (args[index])
    {
        case "--inputs" when long.TryParse(value, CultureInfo.InvariantCulture, out inputs):
            seconds = args.Contains("--seconds") ? seconds : 3600;
            index++;
            break;
        case "--seconds" when double.TryParse(value, CultureInfo.InvariantCulture, out seconds):
        case "--seed" when int.TryParse(value, CultureInfo.InvariantCulture, out seed):
            index++;
            break;
        case "--coverage":
            break;
        case "--save" when value is not null:
            folder = value;
            index++;
            break;
        case "--input" when value is not null:
            again = value;
            index++;
            break;
        case var name when FuzzTarget.All.FirstOrDefault(target => target.Name == name) is { } target:
            targets.Add(target);
            break;
        default:
            Console.Error.WriteLine($"'{args[index]}' is none of --coverage, and --inputs, --seconds, --seed, --save, --input with a value, and no target: {string.Join(", ", FuzzTarget.All.Select(static target => target.Name))}.");
            return 2;
    }
}

if (targets.Count == 0)
    targets.AddRange(FuzzTarget.All);
if (again is not null)
{
    targets[0].Run(Convert.FromHexString(File.ReadAllText(again).Trim()));
    targets[0].Rest();
    return 0;
}

int exitCode = 0;
foreach (FuzzTarget target in targets)
{
    Fuzzer fuzzer = new(target, seed, coverage);
    long startedAt = Stopwatch.GetTimestamp();
    string? problem = fuzzer.Run(inputs, TimeSpan.FromSeconds(seconds));
    double took = Stopwatch.GetElapsedTime(startedAt).TotalSeconds;
    Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"{target.Name}: {fuzzer.Inputs:N0} inputs in {took:N1} s, {fuzzer.Inputs / took:N0}/s, {fuzzer.Taken:N0} taken, longest {fuzzer.Longest.TotalMilliseconds:N1} ms, most allocated {fuzzer.MostAllocated:N0} bytes, seed {seed}{(coverage is null ? "" : $", {fuzzer.Found.Count:N0} took new ways, {coverage.Branches:N0} branches")}"));
    if (folder is not null)
        File.WriteAllLines(Path.Combine(folder, $"{target.Name}.txt"), fuzzer.Found.Where(static input => input.Length <= 256).Select(Convert.ToHexStringLower));
    if (problem is null)
        continue;
    Console.Error.WriteLine($"{target.Name}: {problem}");
    exitCode = 1;
}

return exitCode;
