using System.Globalization;
using System.Text;

namespace ManyHands.Tests.Samples;

/// <summary>A folder of XML documentation made for one test; it goes when the test ends.</summary>
internal sealed class DocumentationFolder : IDisposable
{
    /// <summary>How many members the readable files of <see cref="WithBrokenFiles"/> describe, each counted once.</summary>
    public const int DifferentMembers = (LargeFiles * MembersPerFile) + 2;

    private const int LargeFiles = 12;
    private const int MembersPerFile = 4000;

    public string Path { get; } = Directory.CreateTempSubdirectory("manyhands-docs-").FullName;

    /// <summary>Whether there is a link to a file that doesn't exist. Windows lets only some users make one.</summary>
    public bool HasDeadLink { get; private set; }

    /// <summary>Whether there is a file that this user may not read; the super-user may read all.</summary>
    public bool HasForbiddenFile { get; private set; }

    /// <summary>
    /// Files large and many enough for a worker to be killed in the middle of one, two that describe the same members, and some that can't be read.
    /// </summary>
    public static DocumentationFolder WithBrokenFiles()
    {
        DocumentationFolder folder = new();
        for (int file = 0; file < LargeFiles; file++)
            folder.Write($"large{file}.xml", Document(string.Concat(Enumerable.Range(0, MembersPerFile).Select(number => LargeMember(file, number)))));
        const string Small = "<member name=\"T:Shop.Order\"><summary>What a customer {0}.</summary></member><member name=\"M:Shop.Order.Pay(System.Decimal)\" />";
        folder.Write("small.xml", Document(string.Format(CultureInfo.InvariantCulture, Small, "wants")));
        folder.Write("nested/small.xml", Document(string.Format(CultureInfo.InvariantCulture, Small, "wanted")));
        folder.Write("empty.xml", "");
        folder.Write("malformed.xml", "<?xml version=\"1.0\"?>\n<doc>\n<members>\n<member name=\"T:Broken\"></summary>\n</doc>\n");
        folder.Write("dtd.xml", "<!DOCTYPE doc [<!ENTITY a \"aaaaaaaaaa\">]>\n<doc><members><member name=\"T:Bomb\">&a;</member></members></doc>");
        folder.Write("not-documentation.txt", "This is no XML.");
        folder.WriteDeadLink("gone.xml");
        folder.WriteForbidden("forbidden.xml");
        return folder;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);

    private static string Document(string members) => $"<?xml version=\"1.0\"?>\n<doc><assembly><name>Test</name></assembly><members>{members}</members></doc>";

    private static string LargeMember(int file, int number) =>
        $"<member name=\"M:Factory.Line{file}.Gadget{file}_{number}(System.String)\"><summary>Makes gadget number {number}. It takes a while.</summary>"
        + $"<param name=\"material\">What the gadget is made of, such as <see cref=\"T:Factory.Metal{number % 50}\" />.</param><returns>The finished gadget, which is {number * 31 % 977} wide.</returns></member>\n";

    private void Write(string name, string content)
    {
        string path = System.IO.Path.Combine(Path, name);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content, Encoding.UTF8);
    }

    private void WriteDeadLink(string name)
    {
        if (OperatingSystem.IsWindows())
            return;
        File.CreateSymbolicLink(System.IO.Path.Combine(Path, name), System.IO.Path.Combine(Path, "nowhere"));
        HasDeadLink = true;
    }

    private void WriteForbidden(string name)
    {
        if (OperatingSystem.IsWindows() || Environment.IsPrivilegedProcess)
            return;
        Write(name, Document(""));
        File.SetUnixFileMode(System.IO.Path.Combine(Path, name), UnixFileMode.None);
        HasForbiddenFile = true;
    }
}
