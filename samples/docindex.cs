#:project ../src/ManyHands/ManyHands.csproj
#:property Optimize=true
#:property TieredPGO=false

// Builds a full-text index of the XML documentation that ships with the .NET SDK, one file per call on a pool of processes, and answers queries from it.
//
//     dotnet run samples/docindex.cs "SemaphoreSlim timeout" "parse json asynchronously"
//     dotnet run samples/docindex.cs -- --engine threads --workers 4 --folder ~/docs "SemaphoreSlim timeout"
//     dotnet run samples/docindex.cs -- --kill
//
// It needs neither of the two properties: they make it quicker, as a run of two seconds is over before the just-in-time compiler's measurements pay off.

using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml;
using ManyHands;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
try
{
    Options options = Options.Parse(args);
    if (options.WantsHelp)
    {
        Console.WriteLine(Options.Usage);
        return 0;
    }

    List<DocumentationFile> files = DocumentationFile.FindAll(options.Folder);
    await using Pool pool = options.MakePool();
    using Indexing indexing = new(pool, files);
    Stopwatch watch = Stopwatch.StartNew();
    SearchIndex index = await indexing.RunAsync(options.Kill);
    watch.Stop();

    string skipped = indexing.Skipped switch { 0 => "", 1 => ", 1 file skipped", var many => $", {many} files skipped" };
    Console.WriteLine($"Indexed {files.Count - indexing.Skipped} files ({files.Sum(file => file.Length) / 1e6:N1} MB): {index.MemberCount:N0} members, {index.TermCount:N0} terms{skipped}.");
    Console.WriteLine($"Took {watch.Elapsed.TotalSeconds:N2} s with {options.Describe()}.");
    Console.WriteLine($"Index digest: {index.Digest()}");
    foreach (string query in options.Queries)
        Print(query, index.Search(query, most: 10));
    return 0;
}
catch (UsageException mistake)
{
    Console.Error.WriteLine($"docindex: {mistake.Message}");
    Console.Error.WriteLine(Options.Usage);
    return 2;
}
catch (NothingToIndexException reason)
{
    Console.Error.WriteLine($"docindex: {reason.Message}");
    return 2;
}

static void Print(string query, IReadOnlyList<Hit> hits)
{
    Console.WriteLine();
    Console.WriteLine(hits.Count == 0 ? $"{query}: nothing found" : query);
    foreach ((int place, Hit hit) in hits.Index())
    {
        Console.WriteLine($"{place + 1,4}. {hit.Score,6:N2}  {MemberName.Readable(hit.Member)}");
        if (hit.Summary.Length > 0)
            Console.WriteLine($"              {hit.Summary}");
    }
}

/// <summary>Brings all files through the pool and what comes back into one index.</summary>
internal sealed class Indexing(Pool pool, IReadOnlyList<DocumentationFile> files) : IDisposable
{
    private const int MostAttempts = 3;

    private readonly ProgressBar progress = new(files.Sum(file => file.Length));
    private readonly TaskCompletionSource crashSeen = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public int Skipped { get; private set; }

    public async Task<SearchIndex> RunAsync(bool kill)
    {
        // The largest files first, so that none of them is left for one worker while the others have nothing to do any more.
        Dictionary<DocumentationFile, Task<FileIndex?>> calls = files
            .OrderByDescending(file => file.Length)
            .ToDictionary(file => file, IndexFileAsync);
        Task all = Task.WhenAll(calls.Values);
        Task killing = kill ? KillOneWorkerAsync(until: all) : Task.CompletedTask;

        // Merged in the order of their paths, whichever comes first: the same files always make the same index.
        SearchIndex index = new();
        foreach (DocumentationFile file in files)
        {
            if (await calls[file] is { } part)
                index.Add(part);
            else
                Skipped++;
        }

        await killing;
        progress.Clear();
        return index;
    }

    public void Dispose() => progress.Clear();

    /// <summary>Has one file indexed in a worker; null if it can't be read.</summary>
    private async Task<FileIndex?> IndexFileAsync(DocumentationFile file)
    {
        CallOptions call = new() { Name = $"the indexing of {file.Name}" };
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                FileIndex part = await pool.RunAsync(FileIndex.Read, file.Path, call);
                progress.Add(file.Length);
                return part;
            }
            catch (WorkerCrashedException crash) when (attempt < MostAttempts)
            {
                // Reading a file changes nothing, so it may run twice. The pool itself runs no call a second time: it can't know that.
                crashSeen.TrySetResult();
                progress.Say($"{crash.Message} Running {file.Path} again.");
            }
            catch (Exception problem) when (problem is XmlException or IOException or UnauthorizedAccessException or WorkerCrashedException)
            {
                progress.Say($"Skipped {file.Path}: {problem.Message}");
                progress.Add(file.Length);
                return null;
            }
        }
    }

    /// <summary>Does to a worker what a crash or the system's memory killer would do, in the middle of a call.</summary>
    private async Task KillOneWorkerAsync(Task until)
    {
        await Task.WhenAny(progress.OneThird, until);
        while (!until.IsCompleted && !crashSeen.Task.IsCompleted)
        {
            if (pool.Statistics.Workers.FirstOrDefault(worker => worker is { IsBusy: true, CurrentCall: not null }) is not { } victim)
            {
                await Task.Delay(1);
                continue;
            }

            progress.Say($"Killing process {victim.Id} in the middle of {victim.CurrentCall}.");
            Kill(victim.Id);
            while (pool.Statistics.Workers.Any(worker => worker.Id == victim.Id))
                await Task.Delay(1);

            // If the call ended just before the kill, no crash is reported and the next worker has to go.
            await Task.WhenAny(crashSeen.Task, Task.Delay(50));
        }

        if (!crashSeen.Task.IsCompleted)
            progress.Say("No worker was busy for long enough to be killed in the middle of a call. Give --kill more files.");
    }

    private static void Kill(int processId)
    {
        try
        {
            using Process process = Process.GetProcessById(processId);
            process.Kill();
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException)
        {
            // It has ended by itself.
        }
    }
}

/// <summary>One XML file of documentation.</summary>
internal sealed record DocumentationFile(string Path, long Length)
{
    public string Name => System.IO.Path.GetFileName(Path);

    /// <summary>All files below a folder, or all that ship with the .NET SDK; sorted by path.</summary>
    public static List<DocumentationFile> FindAll(string? folder)
    {
        if (folder is not null && !Directory.Exists(folder))
            throw new NothingToIndexException($"There is no folder '{folder}'. Give one with XML documentation files after --folder.");
        IEnumerable<string> paths = folder is not null ? XmlFilesBelow(folder) : DotnetRoots().Select(ReferencePacks).FirstOrDefault(packs => packs.Count > 0) ?? [];
        List<DocumentationFile> files = [.. paths
            .Order(StringComparer.Ordinal)
            .Select(path => new DocumentationFile(path, new FileInfo(path).Length))];
        if (files.Count > 0)
            return files;
        throw new NothingToIndexException(folder is not null
            ? $"There are no .xml files in '{folder}' or below it. Give a folder with XML documentation files after --folder."
            : $"There are no reference packs (packs/*.Ref) in {string.Join(", ", DotnetRoots())}. Install the .NET SDK, or give a folder with XML documentation files after --folder.");
    }

    /// <summary>Where the SDK may lie: the runtime's own installation first, as it is there for certain.</summary>
    private static IEnumerable<string> DotnetRoots() => new[]
    {
        System.IO.Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."),
        Environment.GetEnvironmentVariable("DOTNET_ROOT"),
        System.IO.Path.GetDirectoryName(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH")),
    }.Where(Directory.Exists).Select(root => System.IO.Path.GetFullPath(root!)).Distinct();

    private static List<string> ReferencePacks(string dotnetRoot)
    {
        string packs = System.IO.Path.Combine(dotnetRoot, "packs");
        string reference = $"{System.IO.Path.DirectorySeparatorChar}ref{System.IO.Path.DirectorySeparatorChar}";
        return !Directory.Exists(packs)
            ? []
            : [.. Directory.EnumerateDirectories(packs, "*.Ref").SelectMany(XmlFilesBelow).Where(path => path.Contains(reference, StringComparison.Ordinal))];
    }

    private static IEnumerable<string> XmlFilesBelow(string folder) =>
        Directory.EnumerateFiles(folder, "*.xml", new EnumerationOptions { RecurseSubdirectories = true });
}

/// <summary>What a worker makes of one file. Flat arrays, as those travel between processes in one piece.</summary>
/// <param name="Members">The members' ids, such as <c>M:System.Threading.SemaphoreSlim.Wait(System.TimeSpan)</c>.</param>
/// <param name="Summaries">The first sentence on each member.</param>
/// <param name="Lengths">The weight of all words on each member.</param>
/// <param name="Terms">The different words.</param>
/// <param name="PostingCounts">For each term, how many of the postings that follow are its own.</param>
/// <param name="PostingMembers">For each posting, the member that has the term, as an index into <paramref name="Members"/>.</param>
/// <param name="PostingWeights">For each posting, how much the term says about the member.</param>
internal sealed record FileIndex(
    string[] Members, string[] Summaries, int[] Lengths, string[] Terms, int[] PostingCounts, int[] PostingMembers, int[] PostingWeights)
{
    // The files may come from anywhere: nothing in one may make the reader load another or grow without limit.
    private static readonly XmlReaderSettings Hardened = new()
    {
        DtdProcessing = DtdProcessing.Prohibit,
        XmlResolver = null,
        IgnoreComments = true,
        IgnoreProcessingInstructions = true,
    };

    /// <summary>What runs in the workers.</summary>
    public static FileIndex Read(string path)
    {
        using FileStream file = File.OpenRead(path);
        using XmlReader reader = XmlReader.Create(file, Hardened);
        FileIndexBuilder builder = new();
        while (reader.Read())
        {
            if (reader is { NodeType: XmlNodeType.Element, Name: "member" } && reader.GetAttribute("name") is { } member)
                ReadMember(reader, member, builder);
        }

        return builder.Build();
    }

    private static void ReadMember(XmlReader reader, string member, FileIndexBuilder builder)
    {
        builder.StartMember(member);
        if (reader.IsEmptyElement)
            return;
        int memberDepth = reader.Depth;
        bool inSummary = false;
        while (reader.Read() && reader.Depth > memberDepth)
        {
            switch (reader.NodeType)
            {
                case XmlNodeType.Element or XmlNodeType.EndElement when reader.Name == "summary":
                    inSummary = reader is { NodeType: XmlNodeType.Element, IsEmptyElement: false };
                    break;
                case XmlNodeType.Element:
                    ReadElement(reader, inSummary, builder);
                    break;
                case XmlNodeType.Text or XmlNodeType.CDATA or XmlNodeType.SignificantWhitespace or XmlNodeType.Whitespace:
                    builder.AddText(reader.Value, inSummary);
                    break;
            }
        }
    }

    private static void ReadElement(XmlReader element, bool inSummary, FileIndexBuilder builder)
    {
        switch (element.Name)
        {
            case "param" when element.GetAttribute("name") is { } parameter:
                builder.AddParameter(parameter);
                break;
            case "see" or "seealso" or "exception" when element.GetAttribute("cref") is { } reference:
                builder.AddText(MemberName.Short(reference), inSummary);
                break;
            case "see" or "paramref" or "typeparamref" when (element.GetAttribute("langword") ?? element.GetAttribute("name")) is { } word:
                builder.AddText(word, inSummary);
                break;
        }
    }
}

/// <summary>Collects the words of one file.</summary>
internal sealed class FileIndexBuilder
{
    // How much a word says about the member, by where it stands: in the member's own name most, in its type's name much.
    private const int NameWeight = 8;
    private const int TypeWeight = 4;
    private const int ParameterWeight = 3;
    private const int TextWeight = 1;
    private const int LongestWord = 100;

    private readonly List<string> members = [];
    private readonly List<string> summaries = [];
    private readonly List<int> lengths = [];
    private readonly Dictionary<string, List<Posting>> postings = new(StringComparer.Ordinal);
    private readonly StringBuilder summary = new();

    public void StartMember(string id)
    {
        FinishSummary();
        members.Add(id);
        lengths.Add(0);
        (string type, string name) = MemberName.Split(id);
        AddWords(name, NameWeight);
        AddWords(type, TypeWeight);
    }

    public void AddParameter(string name) => AddWords(name, ParameterWeight);

    public void AddText(string text, bool inSummary)
    {
        AddWords(text, TextWeight);
        if (inSummary)
            summary.Append(text);
    }

    public FileIndex Build()
    {
        FinishSummary();
        Posting[] all = [.. postings.Values.SelectMany(list => list)];
        return new FileIndex(
            [.. members],
            [.. summaries],
            [.. lengths],
            [.. postings.Keys],
            [.. postings.Values.Select(list => list.Count)],
            [.. all.Select(posting => posting.Member)],
            [.. all.Select(posting => posting.Weight)]);
    }

    private void AddWords(string text, int weight)
    {
        // Looked up without a string for each occurrence: most words occur often.
        var byWord = postings.GetAlternateLookup<ReadOnlySpan<char>>();
        Span<char> lower = stackalloc char[LongestWord];
        foreach (Range range in Words.In(text))
        {
            scoped ReadOnlySpan<char> word = text.AsSpan(range);
            if (word.Length > LongestWord)
                continue;
            word = lower[..word.ToLowerInvariant(lower)];
            if (!byWord.TryGetValue(word, out List<Posting>? list))
                byWord[word] = list = [];
            Count(list, weight);
        }
    }

    private void Count(List<Posting> list, int weight)
    {
        int member = members.Count - 1;
        lengths[member] += weight;
        if (list.Count > 0 && list[^1].Member == member)
            list[^1] = new Posting(member, list[^1].Weight + weight);
        else
            list.Add(new Posting(member, weight));
    }

    private void FinishSummary()
    {
        if (members.Count > 0)
            summaries.Add(Sentences.First(summary.ToString()));
        summary.Clear();
    }
}

/// <summary>That a term occurs on a member, and how much it says about it.</summary>
internal readonly record struct Posting(int Member, int Weight);

/// <summary>A member that a query found.</summary>
internal sealed record Hit(string Member, string Summary, double Score);

/// <summary>The index of all files. Ranks with BM25, which values rare words, and counts a word's repetitions less and less.</summary>
internal sealed class SearchIndex
{
    private const double Saturation = 1.2;
    private const double LengthEffect = 0.6;

    private readonly Dictionary<string, int> numbers = new(StringComparer.Ordinal);
    private readonly List<string> members = [];
    private readonly List<string> summaries = [];
    private readonly List<int> lengths = [];
    private readonly Dictionary<string, List<Posting>> postings = new(StringComparer.Ordinal);

    public int MemberCount => members.Count;

    public int TermCount => postings.Count;

    /// <summary>Adds what isn't there yet: packs repeat each other's members, and the first one counts.</summary>
    public void Add(FileIndex part)
    {
        int[] numberOf = [.. part.Members.Select((_, local) => AddMember(part, local))];
        int next = 0;
        for (int term = 0; term < part.Terms.Length; term++)
        {
            List<Posting>? list = null;
            for (int end = next + part.PostingCounts[term]; next < end; next++)
            {
                int member = numberOf[part.PostingMembers[next]];
                if (member >= 0)
                    (list ??= PostingsOf(part.Terms[term])).Add(new Posting(member, part.PostingWeights[next]));
            }
        }
    }

    /// <summary>The best members for the words of a query, best first.</summary>
    public List<Hit> Search(string query, int most)
    {
        string[] terms = [.. Words.In(query).Select(range => query[range].ToLowerInvariant()).Distinct()];
        double usualLength = members.Count == 0 ? 0 : lengths.Average();
        Dictionary<int, double> scores = [];
        Dictionary<int, int> matches = [];
        foreach (string term in terms.Where(postings.ContainsKey))
        {
            double rarity = Math.Log(1 + ((members.Count - postings[term].Count + 0.5) / (postings[term].Count + 0.5)));
            foreach (Posting posting in postings[term])
            {
                double length = 1 - LengthEffect + (LengthEffect * lengths[posting.Member] / usualLength);
                double score = rarity * posting.Weight * (Saturation + 1) / (posting.Weight + (Saturation * length));
                scores[posting.Member] = scores.GetValueOrDefault(posting.Member) + score;
                matches[posting.Member] = matches.GetValueOrDefault(posting.Member) + 1;
            }
        }

        // Who asks for two things wants both: a member with some of the words counts for that part only.
        return [.. scores
            .Select(pair => new Hit(members[pair.Key], summaries[pair.Key], pair.Value * matches[pair.Key] / terms.Length))
            .OrderByDescending(hit => hit.Score)
            .ThenBy(hit => hit.Member, StringComparer.Ordinal)
            .Take(most)];
    }

    /// <summary>SHA-256 of all that the index holds, in an order that doesn't depend on how it came together.</summary>
    public string Digest()
    {
        using SHA256 hash = SHA256.Create();
        using (BinaryWriter writer = new(new BufferedStream(new CryptoStream(Stream.Null, hash, CryptoStreamMode.Write), 64 * 1024)))
        {
            foreach ((int number, string member) in members.Index())
            {
                writer.Write(member);
                writer.Write(summaries[number]);
                writer.Write(lengths[number]);
            }

            foreach ((string term, List<Posting> list) in postings.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            {
                writer.Write(term);
                foreach (Posting posting in list)
                {
                    writer.Write(posting.Member);
                    writer.Write(posting.Weight);
                }
            }
        }

        return Convert.ToHexStringLower(hash.Hash!);
    }

    // Its number, or -1 if another file had it.
    private int AddMember(FileIndex part, int local)
    {
        if (!numbers.TryAdd(part.Members[local], members.Count))
            return -1;
        members.Add(part.Members[local]);
        summaries.Add(part.Summaries[local]);
        lengths.Add(part.Lengths[local]);
        return members.Count - 1;
    }

    private List<Posting> PostingsOf(string term)
    {
        if (!postings.TryGetValue(term, out List<Posting>? list))
            postings[term] = list = [];
        return list;
    }
}

/// <summary>Cuts text into words, the same way for documentation and queries.</summary>
internal static class Words
{
    /// <summary>The runs of letters and digits; after a compound such as <c>SemaphoreSlim</c> its parts as well, so that both are found.</summary>
    public static IEnumerable<Range> In(string text)
    {
        for (int start = 0; start < text.Length; start++)
        {
            if (!char.IsLetterOrDigit(text[start]))
                continue;
            int end = start + 1;
            while (end < text.Length && char.IsLetterOrDigit(text[end]))
                end++;
            yield return start..end;

            for (int part = start, at = start + 1; at <= end; at++)
            {
                if (at < end && !StartsPart(text, at))
                    continue;
                if (part > start || at < end)
                    yield return part..at;
                part = at;
            }

            start = end;
        }
    }

    // Semaphore|Slim, and XML|Reader: the last of several capitals belongs to what follows.
    private static bool StartsPart(string text, int at) =>
        char.IsUpper(text[at]) && (!char.IsUpper(text[at - 1]) || (at + 1 < text.Length && char.IsLower(text[at + 1])));
}

/// <summary>Reads the ids that the compiler gives members: <c>M:System.String.Join``1(System.Char,System.Collections.Generic.IEnumerable{``0})</c>.</summary>
internal static partial class MemberName
{
    /// <summary>The simple names of the member and of the type it belongs to; for a type there is only the former.</summary>
    public static (string Type, string Name) Split(string id)
    {
        string[] segments = Qualified(id).Split('.');
        string name = SimpleName(segments[^1]);
        string type = segments.Length > 1 && !id.StartsWith("T:", StringComparison.Ordinal) ? SimpleName(segments[^2]) : "";
        return name is "ctor" or "cctor" ? (type, type) : (type, name);
    }

    /// <summary>What a text calls the member that it refers to: its own name.</summary>
    public static string Short(string id) => Split(id).Name;

    /// <summary>The id as C# would have it: <c>String.Join&lt;M&gt;(Char, IEnumerable&lt;M&gt;)</c>.</summary>
    public static string Readable(string id)
    {
        string[] segments = Qualified(id).Split('.');
        string name = segments[^1].Split('#')[^1];
        string type = segments.Length > 1 && id[0] != 'T' ? segments[^2] : "";
        string head = name == "ctor" ? $"new {type}" : type.Length == 0 ? name : $"{type}.{name}";
        int parameters = id.IndexOf('(', StringComparison.Ordinal);
        string list = parameters >= 0 ? Parameters(id[parameters..]) : id[0] == 'M' ? "()" : "";
        return Arity().Replace(head, match => TypeParameters(match.Value)) + list;
    }

    private static string Qualified(string id) => id[(id.IndexOf(':', StringComparison.Ordinal) + 1)..].Split('(', '~')[0];

    // Without its arity, and without the interface that an explicit implementation names.
    private static string SimpleName(string segment) => segment.Split('`')[0].Split('#')[^1];

    private static string Parameters(string list)
    {
        list = list[..(list.LastIndexOf(')') + 1)].Replace('{', '<').Replace('}', '>');
        list = Namespace().Replace(list, "").Replace("@", "&", StringComparison.Ordinal);
        list = Arity().Replace(list, match => NameOf(match.Value));
        return list.Replace(",", ", ", StringComparison.Ordinal);
    }

    // List`1 has one type parameter, Join``1 one of its own: List<T>, Join<M>.
    private static string TypeParameters(string arity)
    {
        string ticks = arity.TrimEnd("0123456789".ToCharArray());
        IEnumerable<string> names = Enumerable.Range(0, int.Parse(arity[ticks.Length..], CultureInfo.InvariantCulture)).Select(number => NameOf($"{ticks}{number}"));
        return $"<{string.Join(", ", names)}>";
    }

    private static string NameOf(string reference)
    {
        string letter = reference.StartsWith("``", StringComparison.Ordinal) ? "M" : "T";
        int number = int.Parse(reference.TrimStart('`'), CultureInfo.InvariantCulture);
        return number == 0 ? letter : $"{letter}{number + 1}";
    }

    [GeneratedRegex("`+[0-9]{1,3}")]
    private static partial Regex Arity();

    [GeneratedRegex(@"\w+\.")]
    private static partial Regex Namespace();
}

/// <summary>The first sentence of a text that was wrapped and indented as XML is.</summary>
internal static class Sentences
{
    public static string First(string text)
    {
        text = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        for (int stop = text.IndexOf(". ", StringComparison.Ordinal); stop >= 0; stop = text.IndexOf(". ", stop + 1, StringComparison.Ordinal))
        {
            // "e.g. a lock" goes on, "a lock. It" doesn't.
            if (char.IsUpper(text[stop + 2]))
                return text[..(stop + 1)];
        }

        return text;
    }
}

/// <summary>How far the work is, on standard error: a bar on a terminal, elsewhere a line now and then.</summary>
internal sealed class ProgressBar(long total)
{
    private const int Width = 40;
    private const int PercentPerLine = 25;
    private static readonly TimeSpan BetweenDrawings = TimeSpan.FromMilliseconds(50);

    private readonly Lock gate = new();
    private readonly TaskCompletionSource oneThird = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly bool isTerminal = !Console.IsErrorRedirected;
    private long done;
    private long lastPercent;
    private long lastDrawn;
    private bool isDrawn;

    /// <summary>Ends when a third of the work is done.</summary>
    public Task OneThird => oneThird.Task;

    public void Add(long amount)
    {
        lock (gate)
        {
            done += amount;
            if (done >= total / 3)
                oneThird.TrySetResult();
            long percent = total == 0 ? 100 : done * 100 / total;
            if (isTerminal)
                Draw(percent);
            else
                WriteLine(percent);
        }
    }

    /// <summary>Writes a line that stays, above the bar.</summary>
    public void Say(string line)
    {
        lock (gate)
        {
            Clear();
            Console.Error.WriteLine(line);
        }
    }

    public void Clear()
    {
        lock (gate)
        {
            if (isDrawn)
                Console.Error.Write($"\r{new string(' ', Width + 8)}\r");
            isDrawn = false;
        }
    }

    private void Draw(long percent)
    {
        if (Stopwatch.GetElapsedTime(lastDrawn) < BetweenDrawings)
            return;
        lastDrawn = Stopwatch.GetTimestamp();
        isDrawn = true;
        Console.Error.Write($"\r[{new string('#', (int)(percent * Width / 100)),-Width}] {percent,3} %");
    }

    private void WriteLine(long percent)
    {
        if (percent / PercentPerLine == lastPercent / PercentPerLine)
            return;
        lastPercent = percent;
        Console.Error.WriteLine($"indexed {percent} %");
    }
}

/// <summary>What the command line asks for.</summary>
internal sealed record Options
{
    public const string Usage = """
        Usage: dotnet run samples/docindex.cs -- [options] [query ...]

        Indexes the XML documentation of the .NET SDK and prints the members that fit each query best.

          --engine processes|threads|inline   where the files are read (default: processes)
          --workers n                         how many at a time, 1 to 1000 (default: the number of processors)
          --folder path                       index the .xml files in this folder and below instead
          --kill                              kill a worker process in the middle; the index is the same
          --help                              show this
        """;

    private static readonly string[] DefaultQueries = ["SemaphoreSlim timeout", "parse json asynchronously", "compare strings ignoring case"];

    public string Engine { get; private init; } = "processes";

    public int Workers { get; private init; } = Environment.ProcessorCount;

    public string? Folder { get; private init; }

    public bool Kill { get; private init; }

    public bool WantsHelp { get; private init; }

    public IReadOnlyList<string> Queries { get; private init; } = [];

    public static Options Parse(string[] arguments)
    {
        Options options = new();
        Queue<string> left = new(arguments);
        while (left.TryDequeue(out string? argument))
        {
            options = argument switch
            {
                "--engine" => options with { Engine = EngineFrom(ValueOf(argument, left)) },
                "--workers" => options with { Workers = WorkersFrom(ValueOf(argument, left)) },
                "--folder" => options with { Folder = ValueOf(argument, left) },
                "--kill" => options with { Kill = true },
                "--help" or "-h" => options with { WantsHelp = true },
                _ when argument.StartsWith('-') => throw new UsageException($"There is no option '{argument}'."),
                _ => options with { Queries = [.. options.Queries, argument] },
            };
        }

        if (options is { Kill: true, Engine: not "processes" })
            throw new UsageException($"--kill needs processes: nothing can kill the workers of '--engine {options.Engine}'. Leave one of the two out.");
        return options.Queries.Count > 0 ? options : options with { Queries = DefaultQueries };
    }

    public Pool MakePool() => Engine switch
    {
        "processes" => Pool.Processes(Workers),
        "threads" => Pool.Threads(Workers),
        _ => Pool.Inline(),
    };

    public string Describe() => (Engine, Workers) switch
    {
        ("inline", _) => "no workers (inline)",
        ("processes", 1) => "1 process",
        ("threads", 1) => "1 thread",
        _ => $"{Workers} {Engine}",
    };

    private static string ValueOf(string option, Queue<string> left) =>
        left.TryDequeue(out string? value) ? value : throw new UsageException($"A value is missing after {option}.");

    private static string EngineFrom(string text) =>
        text is "processes" or "threads" or "inline" ? text : throw new UsageException($"There is no engine '{text}'. Choose processes, threads or inline.");

    private static int WorkersFrom(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int workers) && workers is >= 1 and <= 1000
            ? workers
            : throw new UsageException($"--workers takes a number from 1 to 1000, not '{text}'.");
}

/// <summary>The command line asks for something that there isn't.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>There are no files to index.</summary>
internal sealed class NothingToIndexException(string message) : Exception(message);
